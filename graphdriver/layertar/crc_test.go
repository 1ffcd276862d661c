package layertar

import (
	"bytes"
	"hash"
	"hash/crc64"
	"testing"

	"github.com/vbatts/tar-split/tar/storage"
)

// FuzzCRCAgainstHashCRC64 cuts the data in three, since what is left over of
// one Write goes another way than whole blocks.
func FuzzCRCAgainstHashCRC64(f *testing.F) {
	seed := make([]byte, 300)
	for i := range seed {
		seed[i] = byte(i*i + 7)
	}
	for n := range seed {
		f.Add(seed[:n], uint16(n/3), uint16(n/2))
	}
	f.Add(bytes.Repeat([]byte{0xff}, 4096), uint16(1), uint16(65))
	f.Fuzz(func(t *testing.T, data []byte, a, b uint16) {
		want := crc64.New(storage.CRCTable)
		want.Write(data)
		got := NewCRC()
		got.Write([]byte("left over"))
		got.Reset()
		for _, cut := range []uint16{a, b} {
			n := min(int(cut), len(data))
			if m, err := got.Write(data[:n]); m != n || err != nil {
				t.Fatal(m, err)
			}
			data = data[n:]
		}
		got.Write(data)
		if got.Sum64() != want.Sum64() || !bytes.Equal(got.Sum([]byte("x")), want.Sum([]byte("x"))) || got.Size() != want.Size() {
			t.Errorf("%x, want %x", got.Sum64(), want.Sum64())
		}
	})
}

func BenchmarkCRC(b *testing.B) {
	for name, h := range map[string]hash.Hash64{"here": NewCRC(), "hash/crc64": crc64.New(storage.CRCTable)} {
		for size, text := range map[int]string{100: "100 B", 2000: "2 kB", 256 << 10: "256 KiB"} {
			b.Run(name+" "+text, func(b *testing.B) {
				data := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					h.Write(data)
				}
			})
		}
	}
}
