package tarsplit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vbatts/tar-split/tar/storage"
)

// sample is a layer of n files, as a store packs it.
func sample(n int) []storage.Entry {
	var all []storage.Entry
	for i := range n {
		head := make([]byte, 512)
		copy(head, fmt.Sprintf("usr/share/doc/package%d/file%d", i%400, i))
		copy(head[100:], "0000644\x000000000\x000000000\x0000000003720\x0014000000000\x00012345\x00 0")
		all = append(all,
			storage.Entry{Type: storage.SegmentType, Payload: head},
			storage.Entry{Type: storage.FileType, Name: strings.TrimRight(string(head[:100]), "\x00"), Size: 2000, Payload: []byte("checksum")},
			storage.Entry{Type: storage.SegmentType, Payload: make([]byte, 48)})
	}
	return append(all, storage.Entry{Type: storage.SegmentType, Payload: make([]byte, 1024)})
}

func encode(t testing.TB, p storage.Packer, entries []storage.Entry) {
	t.Helper()
	for i, e := range entries {
		if pos, err := p.AddEntry(e); err != nil || pos != i {
			t.Fatal(pos, err)
		}
	}
}

// odd are entries whose lines are out of the ordinary.
var odd = []storage.Entry{
	{},
	{Type: storage.SegmentType, Payload: []byte{}},
	{Type: storage.FileType},
	{Type: storage.FileType, Name: `quotes " and \ and / and '`, Size: 1<<63 - 1},
	{Type: storage.FileType, Name: "<b>&amp;</b>", Size: -1},
	{Type: storage.FileType, Name: "\x00\x01\b\f\n\r\t\x1f\x7f"},
	{Type: storage.FileType, Name: "Ünïcödé \u2028\u2029 \U0001f40b \ufffd"},
	{Type: storage.FileType, Name: "latin1-\xe9"},
	{Type: storage.FileType, Name: "both", NameRaw: []byte("raw\xff")},
	{Type: storage.FileType, NameRaw: []byte("valid all the same")},
	{Type: -7, Name: "twice", Position: 99},
	{Type: 9, Name: "twice", Payload: bytes.Repeat([]byte{0xff}, 300<<10)},
}

func TestEveryEntryIsWrittenAsTarSplitWritesIt(t *testing.T) {
	var got, want bytes.Buffer
	all := append(sample(20), odd...)
	encode(t, NewWriter(&got), all)
	encode(t, storage.NewJSONPacker(&want), all)
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("got\n%.4000s\nwant\n%.4000s", got.Bytes(), want.Bytes())
	}
	if err := sameEntries(got.Bytes()); err != nil {
		t.Error(err)
	}
}

// TestGoldenDataIsReadAndWrittenBackUnchanged guards against both halves, and
// tar-split itself, changing together.
func TestGoldenDataIsReadAndWrittenBackUnchanged(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("..", "testdata", "tar-split.golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(bytes.NewReader(want))
	var got bytes.Buffer
	w := NewWriter(&got)
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.AddEntry(*e); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Bytes(), want) || r.slow != nil {
		t.Errorf("got\n%s", got.Bytes())
	}
}

func TestOrdinaryLinesNeedNoReflection(t *testing.T) {
	var buf bytes.Buffer
	all := append(sample(20), odd[3], odd[5], odd[6], odd[7], odd[8], odd[9])
	encode(t, NewWriter(&buf), all)
	r := NewReader(&buf)
	for range all[:len(all)-6] {
		if _, err := r.Next(); err != nil || r.slow != nil {
			t.Fatal(err)
		}
	}
	for range 6 { // names that JSON escapes; the size of the first has 19 digits
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
}

func TestSecondFileOfAPathIsRefusedBothWays(t *testing.T) {
	w := NewWriter(io.Discard)
	for _, name := range []string{"a/b", "./a//b", "a/c/../b"} {
		_, err := w.AddEntry(storage.Entry{Type: storage.FileType, Name: name})
		if (name == "a/b") != (err == nil) || err != nil && !errors.Is(err, storage.ErrDuplicatePath) {
			t.Errorf("%s: %v", name, err)
		}
	}
	line := `{"type":1,"name":"%s","payload":null,"position":0}` + "\n"
	r := NewReader(strings.NewReader(fmt.Sprintf(line+line, "a", "./a")))
	if _, err := r.Next(); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(); !errors.Is(err, storage.ErrDuplicatePath) || r.slow != nil {
		t.Error(err)
	}
}

// unusual is data that no writer makes and that encoding/json has an opinion
// on.
var unusual = []string{
	"", "\n", " \n\n", "{}", "{}{}\n{}", "null", "[]", "7", "{", "}", "\x00", "nul",
	`{"type":2,"payload":"AA==","position":0}`,
	`{"type":2,"payload":"AA==","position":0}` + "\n" + `{"type":2,"payl`,
	`{"type":2,"payload":"AA==","position":0}` + "\n\n" + `{"type":1,"name":"x","payload":null,"position":1}` + "\n",
	`{"type":2,"payload":"AA==","position":0} ` + "\n",
	`{"type":2,"payload":"AA==","position":0}` + "\r\n",
	"{\"type\":2,\"payload\":\"A\rA==\",\"position\":0}\n",
	`{"type":2,"payload":"A\nA==","position":0}` + "\n",
	`{"type":2,"payload":"A","position":0}` + "\n" + `{"type":2,"payload":"AA==","position":0}` + "\n",
	`{"type":2,"payload":"","position":0}` + "\n",
	`{"type":02,"payload":"","position":0}` + "\n",
	`{"type":2.0,"payload":"","position":0}` + "\n" + `{"type":2,"payload":"","position":1}` + "\n",
	`{"type":2e0,"payload":"","position":0}` + "\n",
	`{"type":-0,"payload":"","position":-5}` + "\n",
	`{"type":,"payload":"","position":0}` + "\n",
	`{"type":1,"name":"a","size":99999999999999999999,"payload":"","position":0}` + "\n",
	`{"type":1,"name":"a","size":999999999999999999,"payload":"","position":0}` + "\n",
	`{"type":1,"name":"a","size":9223372036854775807,"payload":"","position":0}` + "\n",
	`{"TYPE":1,"Name":"a","name":"b","more":[{}],"payload":null}` + "\n",
	`{"type":1,"name":null,"name_raw":null,"payload":null,"position":0}` + "\n",
	`{"type":1,"name":"","name_raw":"","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"a` + "\xff" + `b","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"\ud800\u00e9\/","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"\x","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"\`,
	`{"type":1,"name":"` + "\t" + `","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"a","payload":null,"position":0}{"type":1,"name":"a","payload":null,"position":0}` + "\n",
	`{"type":1,"name":"a","payload":null,"position":0},` + "\n",
	"{\n\"type\":1}\n",
}

func TestUnusualDataIsReadAsTarSplitReadsIt(t *testing.T) {
	for _, data := range unusual {
		if err := sameEntries([]byte(data)); err != nil {
			t.Errorf("%q: %v", data, err)
		}
	}
}

// sameEntries reads data both ways, and a few times beyond the first error.
func sameEntries(data []byte) error {
	ours, theirs := NewReader(bytes.NewReader(data)), storage.NewJSONUnpacker(bytes.NewReader(data))
	for i, after := 0, 0; after < 3; i++ {
		want, werr := theirs.Next()
		got, gerr := ours.Next()
		switch {
		case fmt.Sprint(gerr) != fmt.Sprint(werr):
			return fmt.Errorf("entry %d: error %v, want %v", i, gerr, werr)
		case werr != nil:
			after++
		case !reflect.DeepEqual(got, want):
			return fmt.Errorf("entry %d: %+v, want %+v", i, got, want)
		}
	}
	return nil
}

func TestReadersOwnErrorComesAfterWhatWasRead(t *testing.T) {
	broken := errors.New("checksum error")
	line := `{"type":2,"payload":"AA==","position":0}` + "\n"
	for _, data := range []string{line, line + line[:20], line + "x"} {
		for _, slow := range []bool{false, true} {
			in := io.MultiReader(strings.NewReader(data), iotest.ErrReader(broken))
			if slow {
				in = iotest.OneByteReader(in)
			}
			r := NewReader(in)
			if _, err := r.Next(); err != nil {
				t.Errorf("%q: %v", data, err)
			}
			if _, err := r.Next(); err == nil || !errors.Is(err, broken) && !strings.HasSuffix(data, "x") {
				t.Errorf("%q: %v", data, err)
			}
		}
	}
}

// zeros is base64 that does not end.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	z.n += len(p)
	return len(p), nil
}

func TestEntryWithoutEndIsRefusedInsteadOfFillingMemory(t *testing.T) {
	z := &zeros{}
	r := NewReader(io.MultiReader(strings.NewReader(`{"type":2,"payload":"`), z))
	if r.limit.max != MaxEntry {
		t.Error("no limit")
	}
	r.limit.max = 4 << 20
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "4194304 bytes") {
		t.Error(err)
	}
	if z.n > 5<<20 {
		t.Errorf("%d bytes were read", z.n)
	}
}
