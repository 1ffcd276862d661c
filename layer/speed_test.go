package layer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// discardDriver takes entries and keeps nothing, so that what is left to
// measure is the store.
type discardDriver struct{ entryDriver }

func (d discardDriver) ApplyEntries(_ context.Context, _, _ string, src layertar.Source) (n int64, err error) {
	for {
		e, err := src.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += e.Size
		if _, err := io.Copy(io.Discard, struct{ io.Reader }{src}); err != nil {
			return n, err
		}
	}
}

func BenchmarkRegister(b *testing.B) {
	var small []file
	for i := range 20_000 {
		small = append(small, file{name: fmt.Sprintf("usr/share/doc/package%d/file%d", i%400, i), content: strings.Repeat("x", 2000)})
	}
	for name, tarball := range map[string][]byte{
		"20000 small files": archive(b, small...),
		"one large file":    archive(b, file{name: "large", content: string(make([]byte, 200<<20))}),
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir(), func(o *Options) { o.Driver = discardDriver{o.Driver.(entryDriver)} })
			b.SetBytes(int64(len(tarball)))
			for b.Loop() {
				l, err := s.Register(b.Context(), bytes.NewReader(tarball), "", RegisterOptions{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Release(b.Context(), l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTarStream(b *testing.B) {
	var small []file
	for i := range 5000 {
		small = append(small, file{name: fmt.Sprintf("doc/package%d/file%d", i%400, i), content: strings.Repeat("x", 2000)})
	}
	for name, tarball := range map[string][]byte{
		"5000 small files": archive(b, small...),
		"one large file":   archive(b, file{name: "large", content: string(make([]byte, 200<<20))}),
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, b.TempDir(), nil)
			l := s.add(tarball, "")
			b.SetBytes(int64(len(tarball)))
			for b.Loop() {
				rc, err := l.TarStream(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, rc); err != nil {
					b.Fatal(err)
				}
				rc.Close()
			}
		})
	}
}

// BenchmarkPack is the tar-split data of a layer of many files without the
// layer: encoding and compressing.
func BenchmarkPack(b *testing.B) {
	const files = 20_000
	head, crc, pad := make([]byte, 512), make([]byte, 8), make([]byte, 48)
	for level := 1; level <= 6; level += 5 {
		b.Run(fmt.Sprintf("level %d", level), func(b *testing.B) {
			for b.Loop() {
				p, err := newPacker(io.Discard, level)
				if err != nil {
					b.Fatal(err)
				}
				for i := range files {
					name := fmt.Sprintf("usr/share/doc/package%d/file%d", i%400, i)
					copy(head, name)
					copy(head[124:], fmt.Sprintf("%011o\x00%011o\x00%06o", i, i*77, i*13&0o777777))
					crc[i%8] = byte(i)
					if err := oneLine(p.Segment(head), p.File(name, 2000, crc), p.Segment(pad)); err != nil {
						b.Fatal(err)
					}
				}
				if err := p.finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
