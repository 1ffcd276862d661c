package input_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/bulkhead/bulkhead/image/input"
)

// FuzzDecompress: compressed data is read to its end or refused, whatever it
// says of itself.
func FuzzDecompress(f *testing.F) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write([]byte("text")) // a bytes.Buffer takes all
	w.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(z.Bytes())
	f.Add(append(bytes.Clone(z.Bytes()), z.Bytes()...))
	f.Add(enc.EncodeAll([]byte("text"), nil))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 0, 0, 0})
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 0})
	f.Add([]byte("BZh91AY&SY\x00\x00\x00\x00"))
	f.Add([]byte("\xfd7zXZ\x00"))
	for _, name := range []string{"plain", "crc32", "window128MiB"} {
		b, err := os.ReadFile("testdata/" + name + ".xz")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("plain"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, kind, err := input.Decompress(bytes.NewReader(data), 1<<20)
		if err == nil {
			n, cerr := io.Copy(io.Discard, io.LimitReader(r, 64<<20))
			if kind == input.None && n != int64(len(data)) {
				t.Errorf("%d bytes of %d", n, len(data))
			}
			err = errors.Join(cerr, r.Close())
		}
		if err != nil && !errors.Is(err, input.ErrRefused) {
			t.Errorf("%s: not a refusal: %v", kind, err)
		}
	})
}
