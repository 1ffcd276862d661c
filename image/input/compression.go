package input

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Compression is how data is compressed, found by its first bytes.
type Compression string

const (
	None  Compression = "none"
	Gzip  Compression = "gzip"
	Zstd  Compression = "zstd"
	Bzip2 Compression = "bzip2"
	XZ    Compression = "xz"
)

// sniffLen is how many first bytes Sniff looks at.
const sniffLen = 6

// DefaultWindow bounds the memory that a zstd or xz stream may ask for.
// Compressors of images use 8 MiB, `zstd -19` the same; `zstd --ultra -21` and
// `xz -9` this much.
const DefaultWindow = 64 << 20

// Sniff tells how data that begins with head is compressed.
func Sniff(head []byte) Compression {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 0x08}):
		return Gzip
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}):
		return Zstd
	case bytes.HasPrefix(head, []byte("BZh")):
		return Bzip2
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return XZ
	}
	return None
}

// Decompress returns what r yields, decompressed if it is compressed, and
// how it was. The result is to be closed; r is not closed with it. Data that
// is not what its first bytes promise fails on Read, wrapping ErrRefused. A
// zstd stream may have a window, and an xz stream a dictionary, of that many
// bytes; 0 is DefaultWindow.
func Decompress(r io.Reader, window int64) (io.ReadCloser, Compression, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(sniffLen)
	if err != nil && err != io.EOF {
		return nil, None, err
	}
	kind := Sniff(head)
	if window == 0 {
		window = DefaultWindow
	}
	switch kind {
	case Gzip:
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, kind, refuse("gzip: %w", err)
		}
		return &decompressor{Reader: zr, close: zr.Close, kind: kind}, kind, nil
	case Zstd:
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window)))
		if err != nil {
			return nil, kind, refuse("zstd: %w", err)
		}
		return &decompressor{Reader: zr, close: func() error { zr.Close(); return nil }, kind: kind, window: window}, kind, nil
	case Bzip2:
		return &decompressor{Reader: bzip2.NewReader(br), close: func() error { return nil }, kind: kind}, kind, nil
	case XZ:
		d := &decompressor{close: func() error { return nil }, kind: kind, window: window}
		xr, err := xz.NewReader(br, uint32(min(window, math.MaxUint32)))
		if err != nil {
			return nil, kind, d.told(err)
		}
		d.Reader = xr
		return d, kind, nil
	}
	return io.NopCloser(br), None, nil
}

type decompressor struct {
	io.Reader
	close  func() error
	kind   Compression
	window int64
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	return n, d.told(err)
}

// told is an error of a decompressor as a refusal, if that is what it is.
func (d *decompressor) told(err error) error {
	switch {
	case err == nil, err == io.EOF, isFailure(err):
		return err
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, xz.ErrMemlimit):
		return refuse("%s: it takes a window of more than %d bytes; raise limits.window to hold one in memory", d.kind, d.window)
	}
	return refuse("%s: %w", d.kind, err)
}

// isFailure tells an error of the reader beneath from one of its content.
func isFailure(err error) bool {
	var pathErr *fs.PathError
	return errors.As(err, &pathErr) || errors.Is(err, ErrRefused) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (d *decompressor) Close() error { return d.close() }
