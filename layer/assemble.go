package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"syscall"

	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// readChunk is how much of a file is read at once.
const readChunk = 256 << 10

// errNotRegular: something else lies where a file was written.
var errNotRegular = errors.New("is not a regular file any more")

// assembler puts a layer's archive together from tar-split data and files.
type assembler struct {
	ctx   context.Context
	rec   *record
	files graphdriver.FileGetCloser
	w     io.Writer
	// bad is told of a damaged file; if it returns nil the rest is read too.
	bad func(error) error
	buf []byte
	crc hash.Hash64
}

func (a *assembler) run(up storage.Unpacker) error {
	a.buf = make([]byte, readChunk)
	a.crc = layertar.NewCRC()
	for {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		e, err := up.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(a.rec, err)
		}
		switch {
		case e.Type == storage.SegmentType:
			_, err = a.w.Write(e.Payload)
		case e.Type != storage.FileType || e.Size < 0:
			return unreadable(a.rec, fmt.Errorf("entry %d has type %d and size %d", e.Position, e.Type, e.Size))
		case e.Size > 0:
			err = a.file(e)
		}
		if err != nil {
			return err
		}
	}
}

func (a *assembler) file(e *storage.Entry) error {
	f, err := a.files.Get(e.GetName())
	if err != nil {
		return a.blame(e, err)
	}
	defer f.Close()
	a.crc.Reset()
	left := e.Size
	for left > 0 {
		n, err := f.Read(a.buf[:min(left, int64(len(a.buf)))])
		left -= int64(n)
		a.crc.Write(a.buf[:n])
		if _, werr := a.w.Write(a.buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF && left > 0 {
			return a.damaged(e, fmt.Errorf("has %d bytes and was stored with %d", e.Size-left, e.Size))
		}
		if err != nil && err != io.EOF {
			return a.blame(e, err)
		}
		if err := a.ctx.Err(); err != nil {
			return err
		}
	}
	if n, err := io.ReadFull(f, a.buf[:1]); n > 0 {
		return a.damaged(e, fmt.Errorf("is longer than the %d bytes that were stored", e.Size))
	} else if err != io.EOF {
		return a.blame(e, err)
	}
	if !bytes.Equal(a.crc.Sum(nil), e.Payload) {
		return a.damaged(e, errors.New("content is not what was stored (its checksum differs)"))
	}
	return nil
}

// blame tells a file that is gone or has become something else from one that
// cannot be read just now.
func (a *assembler) blame(e *storage.Entry, err error) error {
	if cerr := a.ctx.Err(); cerr != nil {
		return cerr
	}
	for _, gone := range []error{
		fs.ErrNotExist, graphdriver.ErrNotFound, graphdriver.ErrCorrupt, ErrCorrupt, errNotRegular, syscall.ENOTDIR, syscall.ELOOP,
	} {
		if errors.Is(err, gone) {
			return a.damaged(e, err)
		}
	}
	return fmt.Errorf("layer %s: read file %q: %w", a.rec.diff, e.GetName(), err)
}

func (a *assembler) damaged(e *storage.Entry, cause error) error {
	return a.bad(&FileError{Layer: a.rec.diff, File: e.GetName(), Cause: cause})
}

// unreadable says that a layer's tar-split data cannot be used.
func unreadable(rec *record, cause error) error {
	return fmt.Errorf("layer %s: %s cannot be read: %w: %w", rec.diff, fileTarSplit, ErrCorrupt, cause)
}
