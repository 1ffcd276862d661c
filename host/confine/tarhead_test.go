package confine

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzHeader: a header that is written here has the bytes that archive/tar
// writes.
func FuzzHeader(f *testing.F) {
	f.Add("a/b", "", int64(0o644), 0, 0, int64(5), int64(1700000000), int64(0), int64(0), int64(0), byte('0'))
	f.Add("d/", "", int64(0o7755), 1, 2, int64(0), int64(1700000000), int64(123456789), int64(0), int64(0), byte('5'))
	f.Add("l", "../t", int64(0o777), 1000, 1000, int64(0), int64(0), int64(500), int64(0), int64(0), byte('2'))
	f.Add("n", "", int64(0o600), 0, 0, int64(0), int64(8589934591), int64(100000000), int64(1), int64(3), byte('3'))
	f.Add(strings.Repeat("x", 95), "", int64(0o600), 0, 0, int64(1)<<32, int64(12), int64(1), int64(0), int64(0), byte('0'))
	f.Add(strings.Repeat("d", 86)+"/f", "", int64(0o600), 0, 0, int64(0), int64(12), int64(1), int64(0), int64(0), byte('0'))
	f.Add("a//b/", "", int64(0), 2097151, 2097152, int64(0), int64(-1), int64(1), int64(2097151), int64(0), byte('4'))
	f.Fuzz(func(t *testing.T, name, link string, mode int64, uid, gid int, size, sec, nsec, major, minor int64, kind byte) {
		sameHeader(t, &tar.Header{
			Format: tar.FormatPAX, Name: name, Linkname: link, Mode: mode, Uid: uid, Gid: gid, Size: size,
			ModTime: time.Unix(sec, nsec), Devmajor: major, Devminor: minor, Typeflag: kind,
		})
		sameHeader(t, &tar.Header{Name: name, Typeflag: kind, ModTime: time.Unix(sec, nsec)})
	})
}

// sameHeader reports whether the header is one that is written here.
func sameHeader(t *testing.T, h *tar.Header) bool {
	t.Helper()
	before := *h
	got, ok := appendHeader(nil, h)
	if h.Name != before.Name || h.Size != before.Size {
		t.Fatal("the header itself was changed")
	}
	if !ok {
		return false
	}
	var want bytes.Buffer
	if err := tar.NewWriter(&want).WriteHeader(h); err != nil {
		t.Fatalf("archive/tar refuses %+v: %v", h, err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%+v\n%q\n%q", h, got, want.Bytes())
	}
	return true
}

func TestHeadersAreThoseOfArchiveTar(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(values ...int64) int64 { return values[r.IntN(len(values))] }
	written := 0
	for range 20_000 {
		name := strings.Repeat("n/", r.IntN(30)) + strings.Repeat("x", r.IntN(60))
		ok := sameHeader(t, &tar.Header{
			Format: tar.FormatPAX, Name: name, Linkname: strings.Repeat("y", r.IntN(110)),
			Typeflag: []byte("0123456")[r.IntN(7)], Mode: r.Int64N(0o10000),
			Uid: int(pick(0, 1000, 2097151, 2097152, 1<<31)), Gid: int(pick(0, 100, 2097151, 2097152)), Size: pick(0, 7, 1<<33-1, 1<<33),
			ModTime:  time.Unix(pick(0, 1, -1, 1<<33-1, 1<<33, r.Int64N(2e9)), pick(0, 1, 999999999, 1000, 120000000, r.Int64N(1e9))),
			Devmajor: pick(0, 1, 2097151, 2097152), Devminor: pick(0, 1, 2097151),
		})
		if ok {
			written++
		}
	}
	if written < 1000 {
		t.Errorf("only %d of 20,000 are written here", written)
	}
}

func TestNamesOfTimesAreCutOffAsArchiveTarDoes(t *testing.T) {
	for length := 1; length <= 100; length++ {
		for dir := range length {
			name := strings.Repeat("d", dir) + "/" + strings.Repeat("f", length-dir-1)
			for _, h := range []tar.Header{{Name: name, Typeflag: tar.TypeReg}, {Name: name + "/", Typeflag: tar.TypeDir}} {
				h.Format, h.ModTime = tar.FormatPAX, time.Unix(1, 5)
				sameHeader(t, &h)
			}
		}
	}
}

func TestEntriesAreThoseOfArchiveTar(t *testing.T) {
	type entry struct {
		h       tar.Header
		content string
	}
	entries := []entry{
		{tar.Header{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o755, Format: tar.FormatPAX, ModTime: time.Unix(1, 5)}, ""},
		{tar.Header{Name: "d/a", Typeflag: tar.TypeReg, Size: 5, Format: tar.FormatPAX, ModTime: time.Unix(1, 0)}, "12345"},
		{tar.Header{Name: "ä", Typeflag: tar.TypeReg, Size: 512, Format: tar.FormatPAX}, strings.Repeat("x", 512)},
		{tar.Header{Name: "b", Typeflag: tar.TypeReg, Size: 512, Format: tar.FormatPAX, ModTime: time.Unix(9, 1)}, strings.Repeat("y", 512)},
		{tar.Header{Name: "b2", Typeflag: tar.TypeReg, Size: 1025, Format: tar.FormatPAX, ModTime: time.Unix(9, 1)}, strings.Repeat("z", 1025)},
		{tar.Header{Name: "l", Linkname: "b", Typeflag: tar.TypeLink, Format: tar.FormatPAX, ModTime: time.Unix(9, 1)}, ""},
		{tar.Header{Name: "x", Typeflag: tar.TypeReg, Size: 1, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}, "x"},
		{tar.Header{Name: ".wh.gone", Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}, ""},
	}
	var want, got bytes.Buffer
	tw, out := tar.NewWriter(&want), bufio.NewWriter(&got)
	ours := newTarEntries(out)
	for _, e := range entries {
		for _, err := range []error{tw.WriteHeader(&e.h), ours.begin(&e.h)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		io.WriteString(tw, e.content)
		for half := range slices.Chunk([]byte(e.content), len(e.content)/2+1) {
			if _, err := ours.Write(half); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, err := range []error{tw.Close(), ours.close(), out.Flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("%d bytes, %d are archive/tar's", got.Len(), want.Len())
	}
}

func TestAnEntryHasAsMuchAsItsHeaderSays(t *testing.T) {
	header := &tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 5, Format: tar.FormatPAX, ModTime: time.Unix(1, 0)}
	e := newTarEntries(bufio.NewWriter(io.Discard))
	if err := e.begin(header); err != nil {
		t.Fatal(err)
	}
	if n, err := e.Write([]byte("123456")); n != 5 || !errors.Is(err, tar.ErrWriteTooLong) {
		t.Errorf("too long: %d %v", n, err)
	}
	if err := e.begin(header); err != nil {
		t.Fatal(err)
	}
	if err := e.begin(header); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("too short: %v", err)
	}
	if err := e.close(); err == nil {
		t.Error("the archive was ended with an entry too short")
	}
}
