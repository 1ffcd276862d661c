package calls

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
)

// readers, writers and streams are the imports by the phase they belong to.
func readers(c *Call) map[string]int64 {
	req := abi.AppendList(nil, abi.List{})
	pair := abi.AppendPair(nil, abi.Pair{PathA: []byte("f")})
	buf := make([]byte, 1024)
	return map[string]int64{
		"lock":         int64(c.Lock([]byte("n"), 0)),
		"base_open":    c.BaseOpen([]byte("d")),
		"xattr_get":    int64(c.XattrGet(0, []byte("f"), []byte("user.x"), buf)),
		"xattr_list":   int64(c.XattrList(0, []byte("f"), buf)),
		"readdir_plus": int64(c.ReaddirPlus(req, buf)),
		"files_equal":  int64(c.FilesEqual(pair, buf)),
		"tree_usage":   c.TreeUsage(0, []byte("d")),
	}
}

func writers(c *Call) map[string]int64 {
	f, d, n := []byte("f"), []byte("d"), []byte("new")
	x := []byte("user.x")
	return map[string]int64{
		"make_dir":     int64(c.MakeDir(0, n, 0o755)),
		"rename":       int64(c.Rename(0, f, n)),
		"chmod":        int64(c.Chmod(0, f, 0o600)),
		"lchown":       int64(c.Lchown(0, f, 0, 0)),
		"lutimes":      int64(c.Lutimes(0, f, 1, 0)),
		"mknod":        int64(c.Mknod(0, n, unix.S_IFIFO, 0, 0)),
		"link":         int64(c.Link(0, f, n)),
		"xattr_set":    int64(c.XattrSet(0, f, x, x)),
		"xattr_remove": int64(c.XattrRemove(0, f, x)),
		"tree_copy":    int64(c.TreeCopy(0, d, 0, n)),
		"tree_remove":  int64(c.TreeRemove(0, d)),
	}
}

func streams(c *Call) map[string]int64 {
	buf := make([]byte, 1024)
	return map[string]int64{
		"entries_next": int64(c.EntriesNext(buf)),
		"entry_attr":   int64(c.EntryAttr(0, 0, buf)),
		"entry_read":   int64(c.EntryRead(0, buf)),
		"actions":      int64(c.Actions(nil)),
		"stream_read":  int64(c.StreamRead(buf)),
		"diff_emit":    int64(c.DiffEmit(nil)),
		"entry_write":  int64(c.EntryWrite(buf)),
		"stream_write": int64(c.StreamWrite(buf)),
		"changes_emit": int64(c.ChangesEmit(nil)),
	}
}

func fileCalls(c *Call, m Mount) map[string]syscall.Errno {
	_, opened := c.OpenFile(m, "new", unix.O_CREAT|unix.O_RDWR, 0o600)
	return map[string]syscall.Errno{
		"open":    opened,
		"mkdir":   c.Mkdir(m, "newdir", 0o755),
		"rename":  c.RenameFile(m, "f", "g"),
		"link":    c.LinkFile(m, "f", "g"),
		"symlink": c.Symlink(m, "f", "g"),
		"unlink":  c.Unlink(m, "f"),
		"rmdir":   c.Rmdir(m, "d"),
		"utimens": c.Utimens(m, "f", 1, 1),
	}
}

func (h *home) furnish(t *testing.T) {
	t.Helper()
	h.write(t, "f", "file")
	h.write(t, "d/g", "deep")
}

func answers(t *testing.T, where string, got map[string]int64, want abi.Code) {
	t.Helper()
	for name, r := range got {
		if abi.Code(r) != want {
			t.Errorf("%s: %s answered %d, want %v", where, name, r, want)
		}
	}
}

func TestDescribeHasNoFileSystem(t *testing.T) {
	env := &Env{Seals: NewSeals(), Locks: layerlock.New(), Limits: Limits{}.Fill()}
	c := New(context.Background(), env, Params{Method: abi.MethodDescribe})
	answers(t, "describe", readers(c), abi.BadOrder)
	answers(t, "describe", writers(c), abi.BadOrder)
	answers(t, "describe", streams(c), abi.BadOrder)
	for _, m := range []Mount{Home, Scratch} {
		for name, errno := range fileCalls(c, m) {
			if errno != unix.EPERM {
				t.Errorf("%s: %v", name, errno)
			}
		}
		if _, errno := c.Stat(m, ".", true); errno != unix.EPERM {
			t.Errorf("stat: %v", errno)
		}
	}
	if r := c.Log(abi.LogInfo, []byte("x")); r != 0 {
		t.Errorf("log: %d", r)
	}
	if _, err := c.Finish(0, nil); err != nil {
		t.Error(err)
	}
}

func TestWhatOnlyReadsMayNotWrite(t *testing.T) {
	for m := range abi.MethodCount {
		if m.Mutates() || m == abi.MethodDescribe {
			continue
		}
		h := newHome(t)
		h.furnish(t)
		c := h.call(t, m)
		answers(t, m.String(), writers(c), abi.Denied)
		for name, errno := range fileCalls(c, Home) {
			if errno != unix.EROFS {
				t.Errorf("%s: %s: %v", m, name, errno)
			}
		}
		if _, errno := c.OpenFile(Scratch, "new", unix.O_CREAT|unix.O_RDWR, 0o600); errno != 0 {
			t.Errorf("%s: scratch: %v", m, errno)
		}
		for name, r := range readers(c) {
			if r < 0 && abi.Code(r) != abi.NotFound && abi.Code(r) != abi.NotSupported {
				t.Errorf("%s: %s answered %v", m, name, abi.Code(r))
			}
		}
	}
}

func TestAHomeThatIsReadOnlyIsNotWrittenToByAnyMethod(t *testing.T) {
	for m := range abi.MethodCount {
		h := newHome(t)
		h.furnish(t)
		h.ReadOnly = true
		if m == abi.MethodDescribe {
			continue
		}
		c := h.call(t, m)
		answers(t, m.String(), writers(c), abi.Denied)
		for name, errno := range fileCalls(c, Home) {
			if errno != unix.EROFS {
				t.Errorf("%s: %s: %v", m, name, errno)
			}
		}
	}
}

func TestStreamsBelongToTheirMethods(t *testing.T) {
	for m := range abi.MethodCount {
		h := newHome(t)
		c := h.call(t, m)
		for name, r := range streams(c) {
			if m == abi.MethodDiff && strings.Contains("diff_emit entry_write stream_write", name) ||
				m == abi.MethodReadFile && name == "stream_write" || m == abi.MethodChanges && name == "changes_emit" {
				continue
			}
			if abi.Code(r) != abi.BadOrder {
				t.Errorf("%s: %s answered %d", m, name, r)
			}
		}
	}
}

func TestAFailedDecisionStays(t *testing.T) {
	h := newHome(t)
	h.furnish(t)
	c := h.applying(t, graphtest.File("a", "a"), graphtest.Link("l", "missing"), graphtest.File("b", "b"))
	es := next(t, c)
	if code := applyAll(c, es, h.base(t, c, "d")); code != abi.Corrupt && code != abi.OK {
		t.Fatal(code)
	}
	eventually(t, "the failure shows", func() bool { return abi.Code(c.BaseOpen([]byte("d"))) == abi.Corrupt })
	answers(t, "afterwards", readers(c), abi.Corrupt)
	answers(t, "afterwards", writers(c), abi.Corrupt)
	for _, name := range []string{"entries_next", "entry_attr", "entry_read", "actions", "stream_read"} {
		if r := streams(c)[name]; abi.Code(r) != abi.Corrupt {
			t.Errorf("%s answered %d", name, r)
		}
	}
	if r := c.Log(abi.LogInfo, nil); r != 0 {
		t.Errorf("log answered %d", r)
	}
	if r := c.Fail(int32(abi.IO), []byte("s"), []byte("t")); r != 0 {
		t.Errorf("fail answered %d", r)
	}
	_, err := c.Finish(0, nil)
	if !errors.Is(err, graphdriver.ErrCorrupt) || !strings.Contains(err.Error(), "hard link to what does not exist") {
		t.Errorf("%v", err)
	}
}

func TestAnErrorTellsMethodLayerSubjectAndCause(t *testing.T) {
	h := newHome(t)
	h.Seals.set(t, "sealed", "s")
	c := h.call(t, abi.MethodCreate)
	code := c.MakeDir(0, []byte("sealed/new"), 0o755)
	c.Fail(code, []byte("sub\x1bject"), []byte("could\nnot do it"))
	_, err := c.Finish(code, nil)
	for _, part := range []string{"create x", "could not do it", `"sub ject"`, `"sealed/new" belongs to layer s, which is committed`, "denied"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing of %v", part, err)
		}
	}
	var e *Error
	if !errors.As(err, &e) || e.Method != abi.MethodCreate || e.ID != "x" || e.Code != abi.Denied || e.Said == nil || !errors.Is(err, graphdriver.ErrDenied) {
		t.Errorf("%+v", e)
	}

	// What was refused is not blamed for another error.
	c = h.call(t, abi.MethodCreate)
	c.MakeDir(0, []byte("sealed/new"), 0o755)
	if _, err := c.Finish(int32(abi.NoSpace), nil); !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "committed") {
		t.Errorf("%v", err)
	}

	// Nor is what was said of an error that the driver went on after, and then
	// it was killed.
	c = h.call(t, abi.MethodCreate)
	c.Fail(int32(abi.NotFound), nil, []byte("there is none"))
	if _, err := c.Finish(0, errors.New("killed")); err == nil || strings.Contains(err.Error(), "there is none") || !strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
}

func TestErrnoAndCodesGoBothWays(t *testing.T) {
	for errno, code := range errnoCodes {
		if got := codeOf(errno); got != code {
			t.Errorf("%v is %v, want %v", errno, got, code)
		}
	}
	if codeOf(syscall.EIO) != abi.IO || codeOf(errors.New("?")) != abi.IO || codeOf(nil) != abi.OK {
		t.Error("the rest is IO")
	}
	for code, err := range codeErrors {
		if CodeError(code) != err || code != abi.BadOrder && codeOf(err) != code {
			t.Errorf("%v is %v", code, err)
		}
	}
}

func TestNothingOutlivesItsCall(t *testing.T) {
	h := newHome(t)
	h.furnish(t)
	c := h.call(t, abi.MethodCreate)
	base := h.base(t, c, "d")
	f, errno := c.OpenFile(Home, "f", unix.O_RDWR, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if _, errno := c.OpenFile(Scratch, "s", unix.O_CREAT|unix.O_RDWR, 0o600); errno != 0 {
		t.Fatal(errno)
	}
	scratch := c.scratch.path
	if _, err := c.Finish(0, nil); err != nil {
		t.Fatal(err)
	}
	if _, errno := f.Write([]byte("x")); errno != unix.EBADF {
		t.Errorf("write: %v", errno)
	}
	if _, errno := f.Stat(); errno != unix.EBADF {
		t.Errorf("stat: %v", errno)
	}
	if err := unix.Access(scratch, 0); err != unix.ENOENT {
		t.Errorf("scratch: %v", err)
	}
	if r := h.call(t, abi.MethodCreate).TreeUsage(base, nil); abi.Code(r) != abi.Invalid {
		t.Errorf("a handle of another call answered %d", r)
	}
	answers(t, "after its end", writers(c), abi.Canceled)
}

func TestALargePayloadIsTheLastOfItsBatch(t *testing.T) {
	h := newHome(t)
	h.write(t, "d/g", "")
	half := strings.Repeat("h", abi.MaxUndecided/2)
	c := h.applying(t, graphtest.File("1", half), graphtest.File("2", half), graphtest.File("3", "x"),
		graphtest.File("large", half+half+"x"), graphtest.File("4", "y"), graphtest.File("5", half+half), graphtest.File("6", "z"))
	var got [][]string
	base := h.base(t, c, "d")
	for {
		es := next(t, c)
		if len(es) == 0 {
			break
		}
		var names []string
		held := uint64(0)
		for i, e := range es {
			names = append(names, string(e.Path))
			large := e.Flags&abi.EntryLarge != 0
			if large != (e.Size > abi.MaxUndecided) || large && i != len(es)-1 {
				t.Errorf("%s: large %v at %d of %d", e.Path, large, i, len(es))
			}
			if !large {
				held += e.Size
			}
		}
		if held > abi.MaxUndecided {
			t.Errorf("%d bytes are held for %v", held, names)
		}
		got = append(got, names)
		if code := applyAll(c, es, base); code != abi.OK {
			t.Fatal(code)
		}
	}
	if _, err := c.Finish(0, nil); err != nil {
		t.Fatal(err)
	}
	if len(got) != 5 {
		t.Errorf("batches %v", got)
	}
	n, err := h.Home.Usage(context.Background(), "d")
	if want := int64(3*abi.MaxUndecided + 4); err != nil || n != want {
		t.Errorf("%d bytes, want %d: %v", n, want, err)
	}
}

func TestALargePayloadCanBeReadInPieces(t *testing.T) {
	h := newHome(t)
	h.ReadsFiles = true
	content := bytes.Repeat([]byte("0123456789"), abi.MaxUndecided/5)
	c := h.applying(t, graphtest.File("small", "abcdef"), graphtest.File("large", string(content)))
	es := next(t, c)
	for i, want := range [][]byte{[]byte("abcdef"), content} {
		var got []byte
		for buf := make([]byte, 1000); ; {
			n := c.EntryRead(es[i].Index, buf)
			if n < 0 {
				t.Fatal(abi.Code(n))
			}
			if n == 0 {
				break
			}
			got = append(got, buf[:n]...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("entry %d: %d bytes of %d", i, len(got), len(want))
		}
	}
	if r := c.Actions(abi.AppendAction(nil, abi.Action{Act: abi.ActSkip, First: 0, Count: 2})); r != 0 {
		t.Fatal(abi.Code(r))
	}
	if es := next(t, c); len(es) != 0 {
		t.Fatal(es)
	}
	if _, err := c.Finish(0, nil); err != nil {
		t.Error(err)
	}
}
