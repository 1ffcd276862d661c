package tarsplit

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/vbatts/tar-split/tar/storage"
)

func FuzzWriterAgainstTarSplit(f *testing.F) {
	for _, e := range append(sample(2), odd...) {
		f.Add(int(e.Type), e.Name, e.NameRaw, e.Size, e.Payload, e.Payload == nil, "next")
	}
	f.Add(1, "a", []byte(nil), int64(0), []byte(nil), true, "./a")
	f.Fuzz(func(t *testing.T, kind int, name string, raw []byte, size int64, payload []byte, none bool, next string) {
		if none {
			payload = nil
		}
		entries := []storage.Entry{
			{Type: storage.Type(kind), Name: name, NameRaw: raw, Size: size, Payload: payload},
			{Type: storage.FileType, Name: next},
			{Type: storage.SegmentType, Payload: payload},
		}
		var got, want bytes.Buffer
		ours, theirs := NewWriter(&got), storage.NewJSONPacker(&want)
		for _, e := range entries {
			wpos, werr := theirs.AddEntry(e)
			gpos, gerr := ours.AddEntry(e)
			if gpos != wpos || fmt.Sprint(gerr) != fmt.Sprint(werr) {
				t.Fatalf("%d, %v; want %d, %v", gpos, gerr, wpos, werr)
			}
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("got\n%s\nwant\n%s", got.Bytes(), want.Bytes())
		}
		if err := sameEntries(got.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReaderAgainstTarSplit(f *testing.F) {
	for _, data := range unusual {
		f.Add([]byte(data))
	}
	var buf bytes.Buffer
	encode(f, NewWriter(&buf), append(sample(2), odd[:11]...))
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := sameEntries(data); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	entries := sample(10_000)
	for name, pack := range map[string]func(io.Writer) storage.Packer{
		"here":      func(w io.Writer) storage.Packer { return NewWriter(w) },
		"tar-split": storage.NewJSONPacker,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode(b, pack(io.Discard), entries)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	var buf bytes.Buffer
	encode(b, NewWriter(&buf), sample(10_000))
	for name, unpack := range map[string]func(io.Reader) storage.Unpacker{
		"here":      func(r io.Reader) storage.Unpacker { return NewReader(r) },
		"tar-split": storage.NewJSONUnpacker,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(buf.Len()))
			for b.Loop() {
				r := unpack(bytes.NewReader(buf.Bytes()))
				for {
					if _, err := r.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
