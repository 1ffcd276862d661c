package layertar

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"strings"
	"testing"
)

// keeper is a Tap that puts the archive together again from what it is told
// and from payloads as entries were read.
type keeper struct {
	out     bytes.Buffer
	log     []string
	payload []byte // of the entry that File will be told of next
}

func (k *keeper) Segment(raw []byte) error {
	k.out.Write(raw)
	k.log = append(k.log, fmt.Sprintf("segment %d", len(raw)))
	return nil
}

func (k *keeper) File(name string, size int64, crc []byte) error {
	if int64(len(k.payload)) != size {
		return fmt.Errorf("%q: told of %d bytes, read %d", name, size, len(k.payload))
	}
	h := crc64.New(crc64.MakeTable(crc64.ISO))
	h.Write(k.payload)
	if size > 0 && !bytes.Equal(h.Sum(nil), crc) || size == 0 && crc != nil {
		return fmt.Errorf("%q: wrong checksum", name)
	}
	k.out.Write(k.payload)
	k.log = append(k.log, fmt.Sprintf("file %s %d", name, size))
	k.payload = nil
	return nil
}

// readAll reads an archive entry by entry.
func readAll(data []byte) (entries []*Entry, k *keeper, err error) {
	k = new(keeper)
	r := NewReader(bytes.NewReader(data), k)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return entries, k, nil
		}
		if err != nil {
			return entries, k, err
		}
		entries = append(entries, e)
		if k.payload, err = io.ReadAll(r); err != nil {
			return entries, k, err
		}
	}
}

type rec struct {
	tar.Header
	body string
}

func build(t testing.TB, recs ...rec) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, r := range recs {
		h := r.Header
		if h.Size == 0 {
			h.Size = int64(len(r.body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, r.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func reg(name, body string) rec {
	return rec{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body}
}

func kind(name string, flag byte, link string) rec {
	return rec{tar.Header{Name: name, Typeflag: flag, Linkname: link, Mode: 0o755}, ""}
}

// rawHeader makes a header with fields that no writer would write.
func rawHeader(flag byte, name string, edit func(block []byte)) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	b[156] = flag
	copy(b[257:], "ustar\x0000")
	if edit != nil {
		edit(b)
	}
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func ended(blocks ...[]byte) []byte {
	return append(bytes.Join(blocks, nil), make([]byte, 1024)...)
}

func TestTapReproducesTheArchive(t *testing.T) {
	plain := build(t, kind("d/", tar.TypeDir, ""), reg("d/f", strings.Repeat("x", 1000)), kind("d/l", tar.TypeLink, "d/f"),
		kind("d/s", tar.TypeSymlink, "/etc"), reg("d/.wh.gone", ""), reg(strings.Repeat("long/", 60)+"name", "y"), reg("empty", ""))
	payload := build(t, reg("f", "12345"))
	for name, data := range map[string][]byte{
		"plain":              plain,
		"trailing garbage":   append(bytes.Clone(plain), bytes.Repeat([]byte("garbage"), 50_000)...),
		"no end marker":      plain[:len(plain)-1024],
		"half an end marker": plain[:len(plain)-512],
		"no padding":         payload[:512+5],
		"empty":              {},
		"end only":           make([]byte, 1024),
		"many zeros":         make([]byte, 300_000),
		"device with a size": ended(rawHeader('3', "null", func(b []byte) {
			copy(b[124:], "00000000100\x00")
			copy(b[329:], "0000001\x000000003\x00")
		})),
		"directory with a size": ended(rawHeader('5', "d/", func(b []byte) { copy(b[124:], "00000000100\x00") }),
			rawHeader('0', "f", nil)),
		"link with a size": ended(rawHeader('0', "f", nil), rawHeader('1', "l", func(b []byte) { copy(b[124:], "00000000100\x00"); copy(b[157:], "f") })),
	} {
		_, k, err := readAll(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(k.out.Bytes(), data) {
			t.Errorf("%s: %d bytes became %d other ones", name, len(data), k.out.Len())
		}
	}
}

// TestRawIsTheArchiveAndTapsTheSame compares the two roads through a Reader.
func TestRawIsTheArchiveAndTapsTheSame(t *testing.T) {
	data := append(build(t, reg("a", strings.Repeat("a", 200_000)), kind("d/", tar.TypeDir, ""), reg("b", "b")), bytes.Repeat([]byte("tail"), 100_000)...)
	_, want, err := readAll(data)
	if err != nil {
		t.Fatal(err)
	}
	k := new(rawKeeper)
	r := NewReader(bytes.NewReader(data), k)
	raw, err := r.Raw()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := io.CopyBuffer(&got, struct{ io.Reader }{raw}, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("other bytes came out")
	}
	if g, w := strings.Join(k.log, "\n"), strings.Join(want.log, "\n"); g != w {
		t.Errorf("tapped\n%s\nwant\n%s", g, w)
	}
	if r.Entries() != 3 {
		t.Errorf("%d entries", r.Entries())
	}
	if _, err := r.Raw(); err == nil {
		t.Error("Raw twice")
	}
}

// rawKeeper only logs: payloads do not pass by it.
type rawKeeper struct{ log []string }

func (k *rawKeeper) Segment(raw []byte) error {
	k.log = append(k.log, fmt.Sprintf("segment %d", len(raw)))
	return nil
}

func (k *rawKeeper) File(name string, size int64, _ []byte) error {
	k.log = append(k.log, fmt.Sprintf("file %s %d", name, size))
	return nil
}

func TestRawOfARefusedArchiveFails(t *testing.T) {
	data := build(t, reg("a", "a"), reg("../b", "b"))
	raw, err := NewReader(bytes.NewReader(data), nil).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, raw); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestTapErrorEndsTheReading(t *testing.T) {
	want := errors.New("disk full")
	r := NewReader(bytes.NewReader(build(t, reg("a", "a"))), failingTap{want})
	if _, err := r.Next(); !errors.Is(err, want) {
		t.Error(err)
	}
	if _, err := r.Next(); !errors.Is(err, want) {
		t.Error("the error did not stay")
	}
}

type failingTap struct{ err error }

func (f failingTap) Segment([]byte) error             { return f.err }
func (f failingTap) File(string, int64, []byte) error { return f.err }

func itoa(n int) string { return fmt.Sprint(n) }

func octal(n int) string { return fmt.Sprintf("%011o\x00", n) }
