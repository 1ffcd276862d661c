package v1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// assembly puts a layer's archive together, as far as it is read, from
// tar-split data and the files of the layer.
type assembly struct {
	ctx   context.Context
	id    string
	data  *os.File
	up    *tarsplit.Reader
	files graphdriver.FileGetCloser

	segment []byte // to be read before anything else
	file    io.ReadCloser
	name    string // of file
	left    int64  // of file, in bytes
	want    []byte // its checksum
	crc     hash.Hash64
	err     error // how it ended
}

// assemble takes data over if it returns no error.
func (g *Graph) assemble(ctx context.Context, id string, data *os.File) (*assembly, error) {
	zip, err := gzip.NewReader(data)
	if err != nil {
		return nil, &CorruptError{ID: id, Cause: fmt.Errorf("%s: %w", fileTarData, err)}
	}
	files, err := g.files(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("driver %s: %w", g.opts.DriverName, err)
	}
	return &assembly{ctx: ctx, id: id, data: data, up: tarsplit.NewReader(zip), files: files, crc: layertar.NewCRC()}, nil
}

// Read returns an error in place of a byte that is not what was stored, and
// io.EOF only after all that was.
func (a *assembly) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if a.err == nil {
			a.err = a.ctx.Err()
		}
		switch {
		case a.err != nil:
			return 0, a.err
		case len(a.segment) > 0:
			n := copy(p, a.segment)
			a.segment = a.segment[n:]
			return n, nil
		case a.file == nil:
			a.err = a.next()
		case a.left == 0:
			a.err = a.finish()
		default:
			n, err := a.file.Read(p[:min(int64(len(p)), a.left)])
			a.crc.Write(p[:n])
			a.left -= int64(n)
			if err == io.EOF && a.left > 0 {
				a.err = a.damaged(fmt.Errorf("%w: it is %d bytes too short", errContent, a.left))
			} else if err != nil && err != io.EOF {
				a.err = a.damaged(err)
			}
			if n > 0 {
				return n, nil
			}
		}
	}
	return 0, nil
}

func (a *assembly) next() error {
	e, err := a.up.Next()
	if err == io.EOF {
		return err
	}
	if err != nil {
		return &CorruptError{ID: a.id, Cause: fmt.Errorf("%s: %w", fileTarData, brief.Error(err))}
	}
	switch {
	case e.Type == storage.SegmentType:
		a.segment = e.Payload
		return nil
	case e.Type != storage.FileType || e.Size < 0:
		return &CorruptError{ID: a.id, Cause: fmt.Errorf("%s: entry %d has type %d and size %d", fileTarData, e.Position, e.Type, e.Size)}
	case e.Size == 0:
		return nil
	}
	a.name, a.left, a.want = e.GetName(), e.Size, bytes.Clone(e.Payload)
	a.crc.Reset()
	if a.file, err = a.files.Get(a.name); err != nil {
		a.file = nil
		return a.damaged(err)
	}
	return nil
}

// finish proves that the file was what was stored, and no more than that.
func (a *assembly) finish() error {
	var beyond [1]byte
	n, err := io.ReadFull(a.file, beyond[:])
	err = errors.Join(clean(err), a.file.Close())
	a.file = nil
	switch {
	case err != nil:
		return a.damaged(err)
	case n > 0:
		return a.damaged(fmt.Errorf("%w: it is longer", errContent))
	case !bytes.Equal(a.crc.Sum(nil), a.want):
		return a.damaged(fmt.Errorf("%w: its checksum differs", errContent))
	}
	return nil
}

func clean(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

var errContent = errors.New("content is not what was stored")

// damaged tells a file that is gone or different from one that cannot be read
// just now.
func (a *assembly) damaged(err error) error {
	if cerr := a.ctx.Err(); cerr != nil {
		return cerr
	}
	err = fmt.Errorf("file %s: %w", layertar.Shown(a.name), err)
	for _, gone := range []error{
		errContent, errNotPlain, fs.ErrNotExist, graphdriver.ErrNotFound, graphdriver.ErrCorrupt, unix.ENOTDIR, unix.ELOOP,
	} {
		if errors.Is(err, gone) {
			return &CorruptError{ID: a.id, Cause: err}
		}
	}
	return fmt.Errorf("image %s: %w", Short(a.id), err)
}

// Close ends the reading, which need not have come to its end.
func (a *assembly) Close() error {
	if a.data == nil {
		return nil
	}
	errs := []error{a.data.Close()}
	if a.file != nil {
		errs = append(errs, a.file.Close())
	}
	a.data, a.file, a.err = nil, nil, fs.ErrClosed
	return errors.Join(append(errs, a.files.Close())...)
}
