package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/layer"
)

// block is the unit of a tar.
const block = 512

// maxUSTAR is the longest file that an ustar header can have; beyond it the
// length is written in GNU's binary form, so that every header is one block.
const maxUSTAR = 1<<33 - 1

// tarWriter writes entries whose bytes depend on name, length and content
// alone: no owner, and the beginning of time.
type tarWriter struct{ w io.Writer }

func header(name string, kind byte, size int64) ([]byte, error) {
	hdr := &tar.Header{Typeflag: kind, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if kind == tar.TypeDir {
		hdr.Mode = 0o755
	}
	if size > maxUSTAR {
		hdr.Format = tar.FormatGNU
	}
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(hdr); err != nil {
		return nil, err
	}
	if buf.Len() != block {
		return nil, fmt.Errorf("header of %q has %d bytes", name, buf.Len())
	}
	return buf.Bytes(), nil
}

func padding(size int64) []byte { return make([]byte, (block-size%block)%block) }

func (t tarWriter) dir(name string) error {
	hdr, err := header(name, tar.TypeDir, 0)
	if err != nil {
		return err
	}
	_, err = t.w.Write(hdr)
	return err
}

func (t tarWriter) file(name string, data []byte) error {
	hdr, err := header(name, tar.TypeReg, int64(len(data)))
	if err != nil {
		return err
	}
	for _, part := range [][]byte{hdr, data, padding(int64(len(data)))} {
		if _, err := t.w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (t tarWriter) end() error {
	_, err := t.w.Write(make([]byte, 2*block))
	return err
}

// streamSink writes to what cannot be taken back, and so has to know the
// lengths of layers beforehand.
type streamSink struct {
	tarWriter
	sizes map[layer.DiffID]int64
}

func (s *streamSink) layer(name string, id layer.DiffID, write func(io.Writer) (int64, error)) (int64, error) {
	want := s.sizes[id]
	hdr, err := header(name, tar.TypeReg, want)
	if err != nil {
		return 0, err
	}
	if _, err := s.w.Write(hdr); err != nil {
		return 0, err
	}
	n, err := write(s.w)
	if err != nil {
		return n, err
	}
	if n != want {
		return n, fmt.Errorf("%d bytes, %d when it was verified: %w", n, want, layer.ErrCorrupt)
	}
	_, err = s.w.Write(padding(n))
	return n, err
}

// fileSink writes to a file and fills in the lengths of layers afterwards.
type fileSink struct {
	tarWriter
	f *os.File
}

func newFileSink(f *os.File) *fileSink { return &fileSink{tarWriter: tarWriter{w: f}, f: f} }

func (s *fileSink) layer(name string, _ layer.DiffID, write func(io.Writer) (int64, error)) (int64, error) {
	at, err := s.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if _, err := s.f.Write(make([]byte, block)); err != nil {
		return 0, err
	}
	n, err := write(s.f)
	if err != nil {
		return n, err
	}
	hdr, err := header(name, tar.TypeReg, n)
	if err != nil {
		return n, err
	}
	_, herr := s.f.WriteAt(hdr, at)
	_, perr := s.f.Write(padding(n))
	return n, errors.Join(herr, perr)
}
