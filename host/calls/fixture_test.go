package calls

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host/confine"
)

// home is a driver's directory and what its calls share.
type home struct {
	*Env
	dir string
}

func newHome(t testing.TB) *home {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	must(t, os.Mkdir(dir, 0o755))
	d, err := confine.OpenDir(dir)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return &home{dir: dir, Env: &Env{
		Home: d, ScratchParent: t.TempDir(), Seals: NewSeals(), Locks: layerlock.New(),
		Unprivileged: os.Getuid() != 0, Limits: Limits{}.Fill(), Grants: []string{"chown", "setid", "xattr.user", "mknod.device"},
	}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file of the home, with its directories.
func (h *home) write(t testing.TB, p, content string) {
	t.Helper()
	p = filepath.Join(h.dir, p)
	must(t, os.MkdirAll(filepath.Dir(p), 0o755))
	must(t, os.WriteFile(p, []byte(content), 0o644))
}

// call begins a call about the layer x. It is ended with the test if it was
// not before.
func (h *home) call(t testing.TB, m abi.Method) *Call {
	t.Helper()
	p := Params{Method: m, ID: "x", Args: abi.AppendFieldString(nil, abi.FieldID, "x")}
	if m == abi.MethodDiff || m == abi.MethodReadFile {
		p.Out = io.Discard
	}
	return h.callWith(t, p)
}

func (h *home) callWith(t testing.TB, p Params) *Call {
	t.Helper()
	c := New(context.Background(), h.Env, p)
	t.Cleanup(func() {
		if context.Cause(c.ctx) != ErrFinished {
			_, _ = c.Finish(int32(abi.IO), nil)
		}
	})
	return c
}

// applying begins an apply_diff of these entries.
func (h *home) applying(t testing.TB, entries ...graphtest.Entry) *Call {
	t.Helper()
	src := layertar.NewReader(bytes.NewReader(graphtest.Archive(t, entries...)), nil)
	return h.callWith(t, Params{Method: abi.MethodApplyDiff, ID: "x", Source: src})
}

func (h *home) base(t testing.TB, c *Call, p string) uint64 {
	t.Helper()
	b := c.BaseOpen([]byte(p))
	if b <= 0 {
		t.Fatalf("base %q: %v", p, abi.Code(b))
	}
	return uint64(b)
}

// next pulls a batch.
func next(t testing.TB, c *Call) []abi.Entry {
	t.Helper()
	buf := make([]byte, abi.MaxRecord)
	n := c.EntriesNext(buf)
	if n < 0 {
		t.Fatalf("entries_next: %v", abi.Code(n))
	}
	var out []abi.Entry
	for b := buf[:n]; len(b) > 0; {
		rec, rest, ok, code := abi.Next(b)
		if !ok {
			t.Fatal(code)
		}
		e, ok := abi.ParseEntry(rec)
		if !ok {
			t.Fatal("no entry")
		}
		e.Path = bytes.Clone(e.Path)
		out = append(out, e)
		b = rest
	}
	return out
}

func applyAll(c *Call, es []abi.Entry, base uint64) abi.Code {
	a := abi.Action{Act: abi.ActApply, First: es[0].Index, Count: uint32(len(es)), Base: base}
	return abi.Code(c.Actions(abi.AppendAction(nil, a)))
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
