package v1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// unpack reads an archive once: into the driver's layer, and into tar-split
// data in dir. It returns what the layer adds, in bytes.
func (g *Graph) unpack(ctx context.Context, id, parent string, r io.Reader, dir string) (size int64, err error) {
	plain, _, err := input.Decompress(&until{ctx: ctx, r: r}, g.opts.Window)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	f, err := os.OpenFile(filepath.Join(dir, fileTarData), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	pack := newPacker(f)
	rd := layertar.NewReader(plain, pack)
	rd.Limit(g.opts.Entries)
	src := &source{Reader: rd}
	size, err = g.apply(ctx, id, parent, src)
	if err == nil {
		err = src.drain()
	}
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case src.err != nil && src.err != io.EOF:
		return 0, src.err // the driver's error is but its echo
	case err != nil:
		return 0, fmt.Errorf("driver %s: %w", g.opts.DriverName, err)
	case size < 0:
		return 0, fmt.Errorf("driver %s: says the layer has %d bytes: %w", g.opts.DriverName, size, graphdriver.ErrInvalid)
	}
	if err := pack.finish(); err != nil {
		return 0, err
	}
	return size, f.Sync()
}

// apply gives the driver entries if it takes them, else the archive.
func (g *Graph) apply(ctx context.Context, id, parent string, src *source) (int64, error) {
	if d, ok := g.driver.(graphdriver.EntryApplier); ok {
		return d.ApplyEntries(ctx, id, parent, src)
	}
	raw, err := src.Raw()
	if err != nil {
		return 0, err
	}
	return g.driver.ApplyDiff(ctx, id, parent, raw)
}

// until is a reader that ends with its context.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// source keeps the error by which the archive ended, so that a refused one is
// not taken for a driver's failure.
type source struct {
	*layertar.Reader
	raw io.Reader
	err error
}

func (s *source) keep(err error) {
	if err != nil && (s.err == nil || s.err == io.EOF) {
		s.err = err
	}
}

func (s *source) Next() (*layertar.Entry, error) {
	e, err := s.Reader.Next()
	s.keep(err)
	return e, err
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != io.EOF { // the end of one payload
		s.keep(err)
	}
	return n, err
}

func (s *source) Raw() (io.Reader, error) {
	raw, err := s.Reader.Raw()
	if err != nil {
		return nil, err
	}
	s.raw = rawSource{s, raw}
	return s.raw, nil
}

type rawSource struct {
	s *source
	r io.Reader
}

func (r rawSource) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.s.keep(err)
	return n, err
}

// drain reads what follows the last entry. A driver that left entries has
// lost them.
func (s *source) drain() error {
	before := s.Entries()
	if s.raw != nil {
		if _, err := io.Copy(io.Discard, s.raw); err != nil {
			return err
		}
	}
	for s.err == nil {
		s.Next()
	}
	if s.err == io.EOF && s.Entries() > before {
		return fmt.Errorf("it stopped before the archive's end, after %d of %d entries: %w", before, s.Entries(), graphdriver.ErrInvalid)
	}
	return nil
}

// packer is the layertar.Tap that writes tar-split data.
type packer struct {
	zip *gzip.Writer
	buf *bufio.Writer
	out *tarsplit.Writer
}

func newPacker(w io.Writer) *packer {
	zip := gzip.NewWriter(w)
	buf := bufio.NewWriterSize(zip, 64<<10)
	return &packer{zip: zip, buf: buf, out: tarsplit.NewWriter(buf)}
}

// Segment implements layertar.Tap.
func (p *packer) Segment(raw []byte) error {
	_, err := p.out.AddEntry(storage.Entry{Type: storage.SegmentType, Payload: raw})
	return err
}

// File implements layertar.Tap.
func (p *packer) File(name string, size int64, crc []byte) error {
	e := storage.Entry{Type: storage.FileType, Size: size, Payload: crc}
	e.SetName(name)
	_, err := p.out.AddEntry(e)
	if errors.Is(err, storage.ErrDuplicatePath) {
		return fmt.Errorf("entry %s: its path occurs twice: %w", layertar.Shown(name), layertar.ErrRefused)
	}
	return err
}

func (p *packer) finish() error { return errors.Join(p.buf.Flush(), p.zip.Close()) }
