package calls

import (
	"context"
	"errors"
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

func (s *Seals) set(t testing.TB, base, id string) {
	t.Helper()
	must(t, s.Add(context.Background(), base, id))
}

// A layer whose base is not its whole directory goes with all of it, and takes
// no other along.
func TestARemovalMayTakeWhatHoldsItsOwnBase(t *testing.T) {
	s := NewSeals()
	s.add("a/diff", "a")
	if s.holds("a", "a") || !s.holds("a", "") || !s.holds("a", "b") || !s.holds(".", "b") {
		t.Error("a's own base stands in the way of its removal, or in nobody's")
	}
	s.add("a/inside/diff", "b")
	if !s.holds("a", "a") || s.holds("a/diff", "a") {
		t.Error("a layer within would be taken along")
	}
}

func TestASealCoversItsBaseAndAllBeneath(t *testing.T) {
	s := NewSeals()
	s.set(t, "l/a/diff", "a")
	s.set(t, "l/ab", "ab")
	for p, want := range map[string]string{
		"l/a/diff": "a", "l/a/diff/x/y": "a", "l/ab": "ab", "l/ab/x": "ab",
		"l/a": "", "l": "", ".": "", "l/a/diff2": "", "l/abc": "", "diff": "", "l/a/di": "",
	} {
		if id, sealed := s.Within(p, ""); id != want || sealed != (want != "") {
			t.Errorf("%s: %q %v", p, id, sealed)
		}
	}
	for p, want := range map[string]bool{".": true, "l": true, "l/a": true, "l/a/diff": false, "l/ab": false, "l/abc": false} {
		if s.holds(p, "") != want {
			t.Errorf("%s holds: %v", p, !want)
		}
	}
	if _, sealed := s.Within("l/a/diff/x", "a"); sealed {
		t.Error("sealed against its own removal")
	}
	if _, sealed := s.Within("l/a/diff/x", "ab"); !sealed {
		t.Error("open to another's removal")
	}
	s.Remove("a")
	if _, sealed := s.Within("l/a/diff", ""); sealed || s.holds("l/a", "") || !s.holds("l", "") || s.Sealed("a") || !s.Sealed("ab") {
		t.Error("after its removal")
	}
}

func TestABaseIsSealedUntilItsLastOwnerIsGone(t *testing.T) {
	s := NewSeals()
	s.set(t, "x", "a")
	s.set(t, "x", "b")
	s.set(t, "x", "b")
	if _, sealed := s.Within("x", "a"); !sealed {
		t.Error("a's removal may write to b")
	}
	s.Remove("a")
	if id, sealed := s.Within("x", "a"); !sealed || id != "b" || !s.holds(".", "") {
		t.Error(id, sealed)
	}
	s.Remove("b")
	if _, sealed := s.Within("x", ""); sealed || s.holds(".", "") {
		t.Error("sealed for nobody")
	}
}

func TestForeignFindsWhatOverlaps(t *testing.T) {
	s := NewSeals()
	s.set(t, "l/a", "a")
	for p, want := range map[string]bool{"l": true, ".": true, "l/a": true, "l/a/b": true, "l/b": false, "l/ab": false} {
		if _, found := s.Foreign(p, "b"); found != want {
			t.Errorf("%s for b: %v", p, found)
		}
	}
	if _, found := s.Foreign("l/a", "a"); found {
		t.Error("its own")
	}
}

// FuzzSeals compares with the plain meaning of the promise.
func FuzzSeals(f *testing.F) {
	f.Add("a/b a/c d", "a/b/x")
	f.Add("a a/b", "a")
	f.Add("a b c", "ab")
	f.Fuzz(func(t *testing.T, bases, p string) {
		if p, err := abiPath([]byte(p)); err == nil {
			s := NewSeals()
			var list []string
			for _, b := range strings.Fields(bases) {
				if clean, err := abiPath([]byte(b)); err == nil && clean != "." {
					s.set(t, clean, "id"+clean)
					list = append(list, clean)
				}
			}
			var within, holds bool
			for _, b := range list {
				within = within || (p+"/") == b+"/" || strings.HasPrefix(p+"/", b+"/")
				holds = holds || p == "." || p != b && strings.HasPrefix(b+"/", p+"/")
			}
			if _, got := s.Within(p, ""); got != within {
				t.Errorf("within %q of %q: %v", p, list, got)
			}
			if got := s.holds(p, ""); got != holds {
				t.Errorf("%q holds of %q: %v", p, list, got)
			}
			for _, b := range list {
				s.Remove("id" + b)
			}
			if len(s.owners)+len(s.above) != 0 {
				t.Errorf("left: %v %v", s.owners, s.above)
			}
		}
	})
}

func TestAFileOpenedBeforeASealIsNotWrittenAfter(t *testing.T) {
	for name, test := range map[string]struct {
		open string
		then func(h *home) error
	}{
		"in the layer":         {"a/f", func(*home) error { return nil }},
		"moved into the layer": {"b/f", func(h *home) error { return os.Rename(filepath.Join(h.dir, "b/f"), filepath.Join(h.dir, "a/f2")) }},
		"linked into it":       {"b/f", func(h *home) error { return os.Link(filepath.Join(h.dir, "b/f"), filepath.Join(h.dir, "a/f2")) }},
		"its directory moved":  {"b/f", func(h *home) error { return os.Rename(filepath.Join(h.dir, "b"), filepath.Join(h.dir, "a/b")) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.write(t, "a/f", "content")
			h.write(t, "b/f", "content")
			h.write(t, "c/f", "content")
			c := h.call(t, abi.MethodCleanup)
			f, errno := c.OpenFile(Home, test.open, unix.O_RDWR, 0)
			other, errno2 := c.OpenFile(Home, "c/f", unix.O_RDWR, 0)
			if errno|errno2 != 0 {
				t.Fatal(errno, errno2)
			}
			must(t, test.then(h))
			h.Seals.set(t, "a", "a")
			for op, errno := range map[string]error{
				"write":    second(f.Write([]byte("x"))),
				"pwrite":   second(f.Pwrite([]byte("x"), 0)),
				"truncate": plain(f.Truncate(0)),
				"times":    plain(f.Utimens(1, 1)),
			} {
				if !errors.Is(errno, unix.EPERM) {
					t.Errorf("%s: %v", op, errno)
				}
			}
			if n, errno := f.Read(make([]byte, 16)); n != 7 || errno != 0 {
				t.Errorf("what was written before: %d %v", n, errno)
			}
			if _, errno := other.Write([]byte("x")); errno != 0 {
				t.Errorf("a file elsewhere: %v", errno)
			}
		})
	}
}

func second(_ int, errno unix.Errno) error { return plain(errno) }

func plain(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func TestASealEndsAnArchiveThatGoesThere(t *testing.T) {
	h := newHome(t)
	h.write(t, "a/f", "content")
	c := h.applying(t, graphtest.File("1", "one"), graphtest.File("2", "two"))
	es := next(t, c)
	base := h.base(t, c, "a")
	if code := applyAll(c, es[:1], base); code != abi.OK {
		t.Fatal(code)
	}
	sealed := make(chan error)
	go func() { sealed <- h.Seals.Add(context.Background(), "a", "a") }()
	eventually(t, "the seal is known", func() bool { return h.Seals.Sealed("a") })
	select {
	case err := <-sealed:
		t.Fatal("sealed while an archive is being applied there: ", err)
	case <-time.After(20 * time.Millisecond):
	}
	if code := applyAll(c, es[1:], base); code != abi.Denied {
		t.Errorf("answered %v", code)
	}
	if _, err := c.Finish(0, nil); !errors.Is(err, graphdriver.ErrDenied) {
		t.Errorf("%v", err)
	}
	must(t, <-sealed)
	if _, err := os.Lstat(filepath.Join(h.dir, "a/2")); err == nil {
		t.Error("written after the seal")
	}
}

func TestASealThatWaitsEndsWithItsContext(t *testing.T) {
	h := newHome(t)
	h.write(t, "a/f", "")
	c := h.applying(t, graphtest.File("1", "one"))
	applyAll(c, next(t, c), h.base(t, c, "a"))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := h.Seals.Add(ctx, "a", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	h.Seals.set(t, "b", "b") // elsewhere nobody waits
}

func TestWhatAnotherCallWritesToIsNotMoved(t *testing.T) {
	h := newHome(t)
	h.write(t, "a/sub/f", "")
	h.write(t, "b/f", "")
	c := h.applying(t, graphtest.File("sub/1", "one"))
	applyAll(c, next(t, c), h.base(t, c, "a"))
	o := h.call(t, abi.MethodCleanup)
	for _, p := range []string{"a", "a/sub", "a/sub/f"} {
		if r := o.Rename(abi.Home, []byte(p), []byte("b/moved")); abi.Code(r) != abi.Busy {
			t.Errorf("rename %s: %v", p, abi.Code(r))
		}
		if errno := o.RenameFile(Home, p, "b/moved"); errno == 0 {
			t.Errorf("rename %s through WASI", p)
		}
	}
	if r := o.Link(abi.Home, []byte("a/sub/f"), []byte("b/alias")); abi.Code(r) != abi.Busy {
		t.Errorf("link: %v", abi.Code(r))
	}
	if r := o.Rename(abi.Home, []byte("b/f"), []byte("b/g")); r != 0 {
		t.Errorf("elsewhere: %v", abi.Code(r))
	}
}
