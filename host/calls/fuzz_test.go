package calls

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// beside puts a directory next to the home and returns a check that it is as
// it was.
func beside(t testing.TB, h *home) (unharmed func(t *testing.T)) {
	out := filepath.Join(filepath.Dir(h.dir), "outside")
	must(t, os.Mkdir(out, 0o755))
	must(t, os.WriteFile(filepath.Join(out, "secret"), []byte("secret"), 0o600))
	must(t, os.Chtimes(out, time.Unix(1, 0), time.Unix(1, 0)))
	must(t, os.Symlink("../outside", filepath.Join(h.dir, "out")))
	return func(t *testing.T) {
		t.Helper()
		fi, err := os.Stat(out)
		if err != nil || !fi.ModTime().Equal(time.Unix(1, 0)) {
			t.Errorf("outside: %v %v", fi.ModTime(), err)
		}
		if b, err := os.ReadFile(filepath.Join(out, "secret")); err != nil || string(b) != "secret" {
			t.Errorf("secret: %q %v", b, err)
		}
	}
}

// settles finishes a call, whose outcome must be an Error or none.
func settles(t *testing.T, c *Call) {
	t.Helper()
	var e *Error
	if _, err := c.Finish(0, nil); err != nil && !errors.As(err, &e) {
		t.Errorf("%T %v", err, err)
	}
}

func FuzzActions(f *testing.F) {
	f.Add(abi.AppendAction(nil, abi.Action{Act: abi.ActApply, Count: 2}))
	f.Add(abi.AppendAction(nil, abi.Action{Act: abi.ActApply, Count: 1, Path: []byte("../outside/x")}))
	f.Add(abi.AppendAction(nil, abi.Action{Act: abi.ActApply, First: 1<<64 - 1, Count: 1<<32 - 1}))
	f.Add(abi.AppendAction(abi.AppendAction(nil, abi.Action{Act: abi.ActSkip, Count: 1}), abi.Action{Act: abi.ActApply, First: 1, Count: 1, Path: []byte("out/x")}))
	h := newHome(f)
	unharmed := beside(f, h)
	h.ReadsFiles = true
	archive := graphtest.Archive(f, graphtest.File("a", "a"), graphtest.Symlink("l", "../outside"), graphtest.File("l2", "b"))
	f.Fuzz(func(t *testing.T, recs []byte) {
		src := layertar.NewReader(bytes.NewReader(archive), nil)
		c := New(context.Background(), h.Env, Params{Method: abi.MethodApplyDiff, ID: "x", Source: src})
		next(t, c)
		before := bytes.Clone(recs)
		if r := c.Actions(recs); r > 0 {
			t.Errorf("answered %d", r)
		}
		if !bytes.Equal(before, recs) {
			t.Error("the guest's memory was written to")
		}
		settles(t, c)
		unharmed(t)
	})
}

func FuzzEmits(f *testing.F) {
	f.Add(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitFile, Path: []byte("f")}), []byte{})
	f.Add(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitFile, Path: []byte("out/secret")}), []byte("x"))
	f.Add(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitWhiteout, Path: []byte("a/b")}), []byte{})
	f.Add(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitFile, Flags: abi.EmitOwnContent, Path: []byte("f")}), []byte("file"))
	f.Add(abi.AppendChange(nil, abi.Change{Kind: 1, Path: []byte("../x")}), []byte{})
	f.Add(abi.AppendChange(nil, abi.Change{Kind: 2, Path: []byte("x")}), []byte{})
	h := newHome(f)
	unharmed := beside(f, h)
	h.write(f, "f", "file")
	f.Fuzz(func(t *testing.T, recs, content []byte) {
		var out bytes.Buffer
		c := New(context.Background(), h.Env, Params{Method: abi.MethodDiff, ID: "x", Out: &out})
		if c.DiffEmit(recs) == 0 {
			c.EntryWrite(content)
		}
		settles(t, c)
		if strings.Contains(out.String(), "secret") && !bytes.Contains(recs, []byte("secret")) {
			t.Error("what lies outside was read")
		}
		c = New(context.Background(), h.Env, Params{Method: abi.MethodChanges, ID: "x"})
		if c.ChangesEmit(recs) == 0 && c.out != nil {
			for _, ch := range c.out.changes {
				if !strings.HasPrefix(ch.Path, "/") || strings.Contains(ch.Path+"/", "/../") || ch.Path == "/" {
					t.Errorf("change %q", ch.Path)
				}
			}
		}
		settles(t, c)
		unharmed(t)
	})
}

func FuzzRequests(f *testing.F) {
	f.Add(abi.AppendList(nil, abi.List{Path: []byte("out")}), uint16(100))
	f.Add(abi.AppendList(abi.AppendList(nil, abi.List{Tag: 1, Flags: abi.ListAttrs}), abi.List{Path: []byte("../outside")}), uint16(4000))
	f.Add(abi.AppendPair(nil, abi.Pair{PathA: []byte("f"), PathB: []byte("out/secret")}), uint16(1))
	f.Add(abi.AppendPair(nil, abi.Pair{BaseA: 1 << 40, PathA: []byte("f")}), uint16(1))
	f.Add(abi.AppendFieldU32(nil, abi.FieldExists, 1), uint16(0))
	h := newHome(f)
	unharmed := beside(f, h)
	h.write(f, "f", "file")
	f.Fuzz(func(t *testing.T, req []byte, size uint16) {
		c := New(context.Background(), h.Env, Params{Method: abi.MethodExists, ID: "x"})
		buf := make([]byte, size)
		n := c.ReaddirPlus(req, buf)
		for i := 0; n > 0 && int(n) <= len(buf) && i < 1000; i++ {
			if bytes.Contains(buf[:n], []byte("secret")) {
				t.Error("what lies outside was listed")
			}
			n = c.ReaddirPlus(nil, buf)
		}
		if n := c.FilesEqual(req, buf); n > 0 && int(n) <= len(buf) {
			for _, b := range buf[:n] {
				if b > 1 {
					t.Errorf("%d is neither equal nor different", b)
				}
			}
		}
		c.Result(req)
		settles(t, c)
		unharmed(t)
	})
}

func FuzzPaths(f *testing.F) {
	for _, p := range []string{"f", "out/secret", "../outside/secret", "out", "d/../../x", "\x00", "d/new", "", "."} {
		f.Add(p, "d/x", uint8(3))
	}
	h := newHome(f)
	unharmed := beside(f, h)
	f.Fuzz(func(t *testing.T, p, q string, op uint8) {
		h.write(t, "f", "file")
		h.write(t, "d/g", "deep")
		a, b := []byte(p), []byte(q)
		c := New(context.Background(), h.Env, Params{Method: abi.MethodCleanup})
		defer settles(t, c)
		switch op % 12 {
		case 0:
			c.MakeDir(0, a, 0o755)
		case 1:
			c.Rename(0, a, b)
		case 2:
			c.Chmod(0, a, 0o777)
		case 3:
			c.Link(0, a, b)
		case 4:
			c.TreeCopy(0, a, 0, b)
		case 5:
			c.TreeRemove(0, a)
		case 6:
			c.Lutimes(0, a, 7, 7)
		case 7:
			if h := c.BaseOpen(a); h > 0 {
				c.TreeRemove(uint64(h), b)
			}
		case 8:
			c.RenameFile(Home, p, q)
		case 9:
			if file, errno := c.OpenFile(Home, p, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644); errno == 0 {
				file.Write(b)
			}
		case 10:
			c.Unlink(Home, p)
			c.Rmdir(Home, p)
		case 11:
			c.Symlink(Home, q, p)
		}
		unharmed(t)
	})
}
