package calls

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
)

// pulls checks the one rule of pulling: with any smaller buffer nothing is
// written or consumed and the same need is told, and then all of it comes.
func pulls(t *testing.T, name string, from func(buf []byte) int32) []byte {
	t.Helper()
	need := from(nil)
	if need <= 0 {
		t.Fatalf("%s: answered %d to no buffer", name, need)
	}
	for _, n := range []int{1, int(need) / 2, int(need) - 1} {
		buf := bytes.Repeat([]byte{0xee}, n)
		if again := from(buf); again != need {
			t.Errorf("%s: needs %d, then %d", name, need, again)
		}
		if !bytes.Equal(buf, bytes.Repeat([]byte{0xee}, n)) {
			t.Errorf("%s: wrote to a buffer that is too small", name)
		}
	}
	buf := make([]byte, need)
	if n := from(buf); n != need {
		t.Errorf("%s: needed %d, then gave %d", name, need, n)
	}
	return buf
}

func TestWhatIsPulledIsNeverLost(t *testing.T) {
	h := newHome(t)
	h.furnish(t)
	c := h.call(t, abi.MethodExists)
	if got := pulls(t, "call_args", c.CallArgs); !bytes.Equal(got, c.p.Args) {
		t.Errorf("arguments %x", got)
	}
	if err := unix.Setxattr(filepath.Join(h.dir, "f"), "user.x", []byte("a value"), 0); err == nil {
		got := pulls(t, "xattr_get", func(b []byte) int32 { return c.XattrGet(0, []byte("f"), []byte("user.x"), b) })
		if string(got) != "a value" {
			t.Errorf("%q", got)
		}
		list := pulls(t, "xattr_list", func(b []byte) int32 { return c.XattrList(0, []byte("f"), b) })
		if a, _, ok := abi.NextAttr(list); !ok || string(a.Name) != "user.x" {
			t.Errorf("%x", list)
		}
		must(t, unix.Setxattr(filepath.Join(h.dir, "f"), "user.empty", nil, 0))
		if n := c.XattrGet(0, []byte("f"), []byte("user.empty"), nil); n != 0 {
			t.Errorf("an empty value answered %d", n)
		}
	}
	if n := c.XattrGet(0, []byte("f"), []byte("user.none"), nil); abi.Code(n) != abi.NotFound {
		t.Errorf("a missing attribute answered %d", n)
	}

	long := strings.Repeat("v", 64<<10) // the longest there is, longer than any record but this
	a := h.applying(t, graphtest.File("a", "content").Xattr("user.long", long), graphtest.File("b", ""))
	first := pulls(t, "entries_next", a.EntriesNext)
	rec, rest, ok, _ := abi.Next(first)
	if e, eok := abi.ParseEntry(rec); !ok || !eok || string(e.Path) != "a" || e.Attrs != 1 || len(rest) != 0 {
		t.Errorf("%+v", e)
	}
	attr := pulls(t, "entry_attr", func(b []byte) int32 { return a.EntryAttr(0, 0, b) })
	if x, _, ok := abi.NextAttr(attr); !ok || string(x.Value) != long {
		t.Errorf("an attribute of %d bytes", len(x.Value))
	}
	if n := a.EntryAttr(0, 1, nil); abi.Code(n) != abi.NotFound {
		t.Errorf("beyond the last attribute: %d", n)
	}

	req := abi.AppendList(nil, abi.List{Tag: 1, Path: []byte("d")})
	n := c.ReaddirPlus(req, nil)
	if n <= 0 || c.ReaddirPlus(nil, nil) != n {
		t.Errorf("readdir_plus answered %d, then another", n)
	}
	pulls(t, "readdir_plus", func(b []byte) int32 { return c.ReaddirPlus(nil, b) })

	pairs := abi.AppendPair(abi.AppendPair(nil, abi.Pair{PathA: []byte("f"), PathB: []byte("f")}), abi.Pair{PathA: []byte("f"), PathB: []byte("d/g")})
	if out := pulls(t, "files_equal", func(b []byte) int32 { return c.FilesEqual(pairs, b) }); !bytes.Equal(out, []byte{1, 0}) {
		t.Errorf("%v", out)
	}
}

// listAll asks with buffers of one size until there is no more, and shows what
// came.
func listAll(t *testing.T, c *Call, req []byte, size int) (out []string) {
	t.Helper()
	for {
		buf := make([]byte, size)
		n := c.ReaddirPlus(req, buf)
		if n < 0 {
			t.Fatal(abi.Code(n))
		}
		req = nil
		if n == 0 {
			return out
		}
		if int(n) > size {
			size = int(n)
			continue
		}
		for b := buf[:n]; len(b) > 0; {
			rec, rest, ok, code := abi.Next(b)
			if !ok {
				t.Fatal(code)
			}
			b = rest
			if m, ok := abi.ParseDirMark(rec); ok {
				out = append(out, fmt.Sprintf("%#x %d %d", rec.Kind, m.Tag, m.Code))
				continue
			}
			name, ok := abi.ParseName(rec)
			if !ok {
				t.Fatalf("kind %#x", rec.Kind)
			}
			out = append(out, fmt.Sprintf("%s %o", name.Name, name.Mode))
		}
	}
}

func TestAListingGoesOnInTheOrderOfItsRequest(t *testing.T) {
	h := newHome(t)
	var req []byte
	var want []string
	for i := range 100 { // many more than are listed ahead
		dir := fmt.Sprintf("d%02d", i)
		must(t, os.Mkdir(filepath.Join(h.dir, dir), 0o755))
		req = abi.AppendList(req, abi.List{Tag: uint64(1000 - i), Path: []byte(dir)})
		want = append(want, fmt.Sprintf("%#x %d 0", abi.RecDirBegin, 1000-i))
		for k := range i % 7 {
			h.write(t, fmt.Sprintf("%s/f%d", dir, k), "")
			want = append(want, fmt.Sprintf("f%d %o", k, unix.S_IFREG|0o644))
		}
		want = append(want, fmt.Sprintf("%#x %d 0", abi.RecDirEnd, 1000-i))
	}
	h.write(t, "file", "")
	must(t, os.Symlink("d01", filepath.Join(h.dir, "link")))
	for i, p := range []string{"file", "link", "missing", "d01/f0/x", "link/f0"} {
		req = abi.AppendList(req, abi.List{Tag: uint64(i), Path: []byte(p)})
		code := [...]abi.Code{abi.Invalid, abi.Invalid, abi.NotFound, abi.Invalid, abi.Invalid}[i]
		want = append(want, fmt.Sprintf("%#x %d %d", abi.RecDirBegin, i, code), fmt.Sprintf("%#x %d 0", abi.RecDirEnd, i))
	}
	c := h.call(t, abi.MethodChanges)
	for _, size := range []int{1, 100, 1000, abi.MaxRecord} {
		if got := listAll(t, c, req, size); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("buffers of %d bytes:\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	// A new request drops what was left.
	c.ReaddirPlus(req, make([]byte, 100))
	if got := listAll(t, c, abi.AppendList(nil, abi.List{Tag: 7, Path: []byte("d00")}), 4096); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if n := c.ReaddirPlus(nil, nil); n != 0 {
		t.Errorf("after the end: %d", n)
	}
}

func TestManyPairsAreComparedEachByItself(t *testing.T) {
	h := newHome(t)
	var req, want []byte
	for i := range 301 {
		a, b := fmt.Sprintf("a/%d", i), fmt.Sprintf("b/%d", i)
		h.write(t, a, strings.Repeat("x", i*50))
		h.write(t, b, strings.Repeat("x", i*50+i%2))
		req = abi.AppendPair(req, abi.Pair{PathA: []byte(a), PathB: []byte(b)})
		want = append(want, byte(1-i%2))
	}
	must(t, os.Mkdir(filepath.Join(h.dir, "dir"), 0o755))
	req = abi.AppendPair(req, abi.Pair{PathA: []byte("dir"), PathB: []byte("dir")})
	req = abi.AppendPair(req, abi.Pair{PathA: []byte("none"), PathB: []byte("none")})
	want = append(want, 0, 0)
	c := h.call(t, abi.MethodChanges)
	out := make([]byte, len(want)+10)
	if n := c.FilesEqual(req, out); int(n) != len(want) || !bytes.Equal(out[:n], want) {
		t.Errorf("%d of %d: %v", n, len(want), out)
	}
	if n := c.FilesEqual(nil, out); n != 0 {
		t.Errorf("no pairs: %d", n)
	}
}

func TestWhatIsHeldIsLimited(t *testing.T) {
	h := newHome(t)
	h.furnish(t)
	h.Limits.OpenFiles = 4
	c := h.call(t, abi.MethodCreate)
	h.base(t, c, "d")
	if r := c.Lock([]byte("n"), 0); r != 0 {
		t.Fatal(abi.Code(r))
	}
	f, errno := c.OpenFile(Home, "f", unix.O_RDONLY, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	h.base(t, c, "d")
	if r := c.BaseOpen([]byte("d")); abi.Code(r) != abi.Limit {
		t.Errorf("a base answered %d", r)
	}
	if r := c.Lock([]byte("o"), 0); abi.Code(r) != abi.Limit {
		t.Errorf("a lock answered %d", r)
	}
	if _, errno := c.OpenFile(Home, "f", unix.O_RDONLY, 0); errno != unix.EMFILE {
		t.Errorf("a file: %v", errno)
	}
	f.Close()
	h.base(t, c, "d")
	big := bytes.Repeat(abi.AppendList(nil, abi.List{}), maxRequest/32+1)
	if r := c.ReaddirPlus(big, nil); abi.Code(r) != abi.Limit {
		t.Errorf("a large listing answered %d", r)
	}
	if r := c.FilesEqual(big, nil); abi.Code(r) != abi.Limit {
		t.Errorf("a large comparison answered %d", r)
	}
}
