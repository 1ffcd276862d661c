package calls

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
)

func TestAGuestNeitherReadsNorForgesRecords(t *testing.T) {
	h := newHome(t)
	h.Home.Believe(uint32(os.Getuid()))
	h.write(t, "d/f", "x")
	err := unix.Setxattr(filepath.Join(h.dir, "d/f"), "user.containers.override_stat", []byte("7:8:0644"), 0)
	if errors.Is(err, unix.ENOTSUP) {
		t.Skip("the file system has no such attributes")
	}
	must(t, err)
	must(t, unix.Setxattr(filepath.Join(h.dir, "d/f"), "user.own", []byte("x"), 0))
	c := h.call(t, abi.MethodCreate)
	name, at := []byte("user.containers.override_stat"), []byte("d/f")
	for what, code := range map[string]int32{
		"get":    c.XattrGet(0, at, name, make([]byte, 100)),
		"set":    c.XattrSet(0, at, name, []byte("0:0:4755")),
		"remove": c.XattrRemove(0, at, name),
		"new":    c.XattrSet(0, at, []byte("user.containers.override_security.capability"), []byte("x")),
	} {
		if abi.Code(code) != abi.Denied {
			t.Errorf("%s: %v", what, abi.Code(code))
		}
	}
	buf := make([]byte, 1000)
	n := c.XattrList(0, at, buf)
	if want := abi.AppendAttr(nil, "user.own", ""); string(buf[:n]) != string(want) {
		t.Errorf("attributes %q", buf[:n])
	}

	const reserved = ".wh..wh.bulkhead"
	h.write(t, "d/"+reserved, "the host's")
	if _, errno := c.OpenFile(Home, "d/"+reserved, unix.O_RDONLY, 0); errno != unix.ENOENT {
		t.Errorf("opened: %v", errno)
	}
	if _, errno := c.OpenFile(Home, reserved, unix.O_RDWR|unix.O_CREAT, 0o600); errno != unix.ENOENT {
		t.Errorf("made: %v", errno)
	}
	dir, errno := c.OpenFile(Home, "d", unix.O_RDONLY, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if names, errno := dir.Readdir(10); errno != 0 || len(names) != 1 {
		t.Errorf("listed: %v %v", names, errno)
	}

	c = h.applying(t, graphtest.File("x", "forged"))
	es := next(t, c)
	act := abi.AppendAction(nil, abi.Action{Act: abi.ActApply, First: es[0].Index, Count: 1, Base: h.base(t, c, "d"), Path: []byte(reserved)})
	h.ReadsFiles = true
	_ = c.Actions(act) // the refusal may come now or at the end
	if _, err := c.Finish(0, nil); err == nil || !strings.Contains(err.Error(), "the host's own") {
		t.Errorf("an entry in the place of records: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(h.dir, "d", reserved)); err != nil || string(b) != "the host's" {
		t.Errorf("%q %v", b, err)
	}
}
