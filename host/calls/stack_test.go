package calls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
)

func handles(hs ...uint64) (b []byte) {
	for _, h := range hs {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

// layers makes two directories that lie over each other: upper hides gone and
// changes a file, and both have what has not changed.
func (h *home) layers(t *testing.T) {
	t.Helper()
	for p, content := range map[string]string{
		"lower/d/kept": "1", "lower/d/changed": "1", "lower/d/sub/deep": "1", "lower/only": "1", "lower/z/y": "1",
		"upper/d/changed": "2", "upper/new": "1",
	} {
		h.write(t, p, content)
	}
}

func (c *Call) openBases(t *testing.T, paths ...string) (out []uint64) {
	t.Helper()
	for _, p := range paths {
		b := c.BaseOpen([]byte(p))
		if b <= 0 {
			t.Fatalf("%s: %d", p, b)
		}
		out = append(out, uint64(b))
	}
	return out
}

func TestAStackIsOfBasesOfThisCallAndNothingElse(t *testing.T) {
	h := newHome(t)
	h.layers(t)
	c := h.call(t, abi.MethodDiff)
	b := c.openBases(t, "upper", "lower")
	stack := c.BaseStack(handles(b...), 0)
	if stack <= 0 {
		t.Fatal(stack)
	}
	other := h.call(t, abi.MethodDiff)
	foreign := other.openBases(t, "lower")[0]
	many := make([]uint64, 501)
	for i := range many {
		many[i] = b[1]
	}
	for name, got := range map[string]int64{
		"nothing":         c.BaseStack(nil, 0),
		"part of one":     c.BaseStack(handles(b...)[:12], 0),
		"the home":        c.BaseStack(handles(b[0], 0), 0),
		"a stack":         c.BaseStack(handles(uint64(stack), b[1]), 0),
		"another call's":  c.BaseStack(handles(b[0], foreign), 0),
		"one made up":     c.BaseStack(handles(b[0], 99), 0),
		"too many":        c.BaseStack(handles(many...), 0),
		"an unknown flag": c.BaseStack(handles(b...), 2),
	} {
		if got != int64(abi.Invalid) {
			t.Errorf("a stack of %s: %d", name, got)
		}
	}
}

func TestAStackCountsAsAnOpenFile(t *testing.T) {
	h := newHome(t)
	h.layers(t)
	h.Limits.OpenFiles = 3
	c := h.call(t, abi.MethodDiff)
	b := handles(c.openBases(t, "upper", "lower")...)
	if got := c.BaseStack(b, 0); got <= 0 {
		t.Fatal(got)
	}
	if got := c.BaseStack(b, 0); got != int64(abi.Limit) {
		t.Errorf("one more: %d", got)
	}
}

// A stack is no directory: what acts on one refuses it.
func TestAStackIsNotForWhatActsOnADirectory(t *testing.T) {
	h := newHome(t)
	h.layers(t)
	c := h.call(t, abi.MethodCreate)
	b := c.openBases(t, "upper", "lower")
	s := uint64(c.BaseStack(handles(b...), 0))
	p, n, x := []byte("d/changed"), []byte("n"), []byte("user.x")
	buf := make([]byte, 64)
	for name, got := range map[string]int64{
		"make_dir": int64(c.MakeDir(s, n, 0o755)), "rename": int64(c.Rename(s, p, n)), "chmod": int64(c.Chmod(s, p, 0o600)),
		"lchown": int64(c.Lchown(s, p, 0, 0)), "lutimes": int64(c.Lutimes(s, p, 1, 0)), "mknod": int64(c.Mknod(s, n, unix.S_IFIFO, 0, 0)),
		"link": int64(c.Link(s, p, n)), "xattr_set": int64(c.XattrSet(s, p, x, x)), "xattr_remove": int64(c.XattrRemove(s, p, x)),
		"xattr_get": int64(c.XattrGet(s, p, x, buf)), "xattr_list": int64(c.XattrList(s, p, buf)),
		"tree_copy from": int64(c.TreeCopy(s, p, 0, n)), "tree_copy to": int64(c.TreeCopy(b[1], p, s, n)),
		"tree_remove": int64(c.TreeRemove(s, p)), "tree_usage": c.TreeUsage(s, nil),
	} {
		if got != int64(abi.Invalid) {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// told lists all that a request answers: marks and names in short.
func told(t *testing.T, c *Call, req []byte) (out []string) {
	t.Helper()
	buf := make([]byte, abi.MaxRecord)
	for {
		n := c.ReaddirPlus(req, buf)
		req = nil
		if n < 0 {
			t.Fatal(abi.Code(n))
		}
		if n == 0 {
			return out
		}
		for b := buf[:n]; len(b) > 0; {
			rec, rest, ok, _ := abi.Next(b)
			if !ok {
				t.Fatalf("%x", b)
			}
			b = rest
			if m, ok := abi.ParseDirMark(rec); ok && rec.Kind == abi.RecDirBegin {
				out = append(out, fmt.Sprintf("[%d %d", m.Tag, m.Code))
			} else if ok {
				out = append(out, "]")
			} else if name, ok := abi.ParseName(rec); ok {
				out = append(out, string(name.Name))
			}
		}
	}
}

func pairOf(old, new uint64, path string, flags uint16) []byte {
	later := time.Now().Add(time.Hour)
	return abi.AppendListPair(nil, abi.ListPair{
		Flags: flags, Tag: 10, Old: old, New: new, Path: []byte(path), CreatedSec: later.Unix(), CreatedKnown: true,
	})
}

func TestAPairNamesOnlyWhatMayHaveChanged(t *testing.T) {
	h := newHome(t)
	h.layers(t)
	// The same again, so that both are trees of their own.
	h.write(t, "copy/d/kept", "1")
	h.write(t, "copy/d/changed", "other")
	h.write(t, "copy/d/sub/deep", "1")
	at := time.Unix(1_600_000_000, 0)
	for _, p := range []string{"lower/d/kept", "copy/d/kept", "lower/d/sub/deep", "copy/d/sub/deep"} {
		must(t, os.Chtimes(filepath.Join(h.dir, p), at, at))
	}
	c := h.call(t, abi.MethodDiff)
	b := c.openBases(t, "lower", "copy", "upper")
	for name, test := range map[string]struct {
		req  []byte
		want string
	}{
		"a directory":      {pairOf(b[0], b[1], "d", 0), "[10 0 changed sub ] [11 0 changed sub ]"},
		"with its depths":  {pairOf(b[0], b[1], "d", abi.ListDeep), "[10 0 changed ] [11 0 changed ]"},
		"nothing":          {pairOf(b[0], b[1], "d/sub", 0), "[10 0 ] [11 0 ]"},
		"nothing, quietly": {pairOf(b[0], b[1], "d/sub", abi.ListQuiet), ""},
		"one is missing":   {pairOf(b[0], b[2], "z", abi.ListQuiet), "[10 0 y [11 -1"},
		"one is a file":    {pairOf(b[2], b[0], "new", 0), "[10 -13 ] [11 -1 ]"},
		"two in a row":     {append(pairOf(b[0], b[1], "d", abi.ListDeep), pairOf(b[0], b[1], "", abi.ListDeep|abi.ListQuiet)...), "[10 0 changed ] [11 0 changed ] [10 0 d only z [11 0 d"},
	} {
		if got := strings.Join(told(t, c, test.req), " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if r := c.ReaddirPlus(pairOf(b[0], b[1], "d", 1<<9), nil); r != int32(abi.Invalid) {
		t.Errorf("an unknown flag: %d", r)
	}
}

// What lies beneath both stacks is not looked at.
func TestAPairOfStacksLooksOnlyAtWhatWasAdded(t *testing.T) {
	h := newHome(t)
	h.layers(t)
	c := h.call(t, abi.MethodDiff)
	b := c.openBases(t, "upper", "lower")
	old, new := uint64(c.BaseStack(handles(b[1]), 0)), uint64(c.BaseStack(handles(b...), 0))
	if got := strings.Join(told(t, c, pairOf(old, new, "", 0)), " "); got != "[10 0 d ] [11 0 d new ]" {
		t.Error(got)
	}
	if got := strings.Join(told(t, c, pairOf(old, new, "d", 0)), " "); got != "[10 0 changed ] [11 0 changed ]" {
		t.Error(got)
	}
	out := make([]byte, 2)
	req := abi.AppendPair(nil, abi.Pair{BaseA: old, BaseB: new, PathA: []byte("d/kept")})
	req = abi.AppendPair(req, abi.Pair{BaseA: old, BaseB: new, PathA: []byte("d/changed")})
	if n := c.FilesEqual(req, out); n != 2 || out[0] != 1 || out[1] != 0 {
		t.Errorf("%d %v", n, out)
	}
}

func (h *home) marking(t *testing.T, grants []string, entries ...graphtest.Entry) (*Call, abi.Code) {
	t.Helper()
	h.layers(t)
	h.Grants = grants
	c := h.applying(t, entries...)
	s := c.BaseStack(handles(c.openBases(t, "upper", "lower")...), 0)
	return c, applyAll(c, next(t, c), uint64(s))
}

func TestMarksOfOverlayNeedTheirGrants(t *testing.T) {
	for name, test := range map[string]struct {
		grants []string
		entry  graphtest.Entry
		lacks  string
	}{
		"a whiteout":            {nil, graphtest.Whiteout("d/kept"), "mknod.whiteout"},
		"a directory":           {[]string{"mknod.whiteout"}, graphtest.Opaque("d"), "xattr.trusted"},
		"a directory, by names": {[]string{"xattr.trusted"}, graphtest.Opaque("d"), "mknod.whiteout"},
	} {
		t.Run(name, func(t *testing.T) {
			c, code := newHome(t).marking(t, test.grants, test.entry)
			if code != abi.Denied {
				t.Errorf("answered %v", code)
			}
			if _, err := c.Finish(0, nil); !errors.Is(err, graphdriver.ErrDenied) || !strings.Contains(err.Error(), test.lacks) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestEntriesForAStackGoToItsTopInOverlaysForm(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("marks of overlay need root")
	}
	h := newHome(t)
	c, code := h.marking(t, []string{"mknod.whiteout", "xattr.trusted"},
		graphtest.Whiteout("d/kept"), graphtest.Whiteout("nothing"), graphtest.Opaque("z"), graphtest.Link("twin", "d/sub/deep"), graphtest.File("d/sub/more", "1"))
	if code != abi.OK {
		t.Fatal(code)
	}
	if n := c.EntriesNext(make([]byte, abi.MaxRecord)); n != 0 {
		t.Fatal(n)
	}
	if _, err := c.Finish(0, nil); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(h.dir, "upper/d/kept"), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
		t.Errorf("%#o %v", st.Mode, err)
	}
	var v [1]byte
	if n, err := unix.Getxattr(filepath.Join(h.dir, "upper/z"), "trusted.overlay.opaque", v[:]); n != 1 || v[0] != 'y' {
		t.Errorf("%q %v", v, err)
	}
	var deep, twin unix.Stat_t
	if err := errors.Join(unix.Lstat(filepath.Join(h.dir, "upper/d/sub/deep"), &deep), unix.Lstat(filepath.Join(h.dir, "upper/twin"), &twin)); err != nil || deep.Ino != twin.Ino {
		t.Errorf("%d %d %v", deep.Ino, twin.Ino, err)
	}
	if _, err := os.Lstat(filepath.Join(h.dir, "upper/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a mark that hides nothing: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(h.dir, "lower/d/sub/deep")); string(b) != "1" {
		t.Errorf("%q %v", b, err)
	}
}

func TestTheSealedTopOfAStackTakesNothing(t *testing.T) {
	h := newHome(t)
	must(t, h.Seals.Add(t.Context(), "upper", "other"))
	c, code := h.marking(t, []string{"mknod.whiteout"}, graphtest.File("x", "1"))
	if code != abi.Denied {
		t.Error(code)
	}
	if _, err := c.Finish(0, nil); !errors.Is(err, graphdriver.ErrDenied) {
		t.Error(err)
	}
}
