package mount

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

const sample = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
90 27 0:40 /a\040b /mnt/with\040space\134and\012line ro,nosuid shared:5 master:1 propagate_from:2 - fuse.x src\040name rw,lowerdir=/a\054b:/c,x= y
91 90 0:41 / /mnt/with\040space\134and\012line rw - overlay overlay rw
`

func TestMountinfoIsReadWithItsEscapes(t *testing.T) {
	table, err := parseTable(iotest.OneByteReader(strings.NewReader(sample)))
	must(t, err)
	want := Entry{
		ID: 90, Parent: 27, Dev: unix.Mkdev(0, 40), Root: "/a b", Target: "/mnt/with space\\and\nline", Options: "ro,nosuid",
		FSType: "fuse.x", Source: "src name", Super: "rw,lowerdir=/a,b:/c,x= y",
	}
	if got, ok := table.ByID(90); !ok || got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if top, ok := table.At(want.Target); !ok || top.ID != 91 {
		t.Errorf("on top is %+v", top)
	}
	if e, ok := table.At("/"); !ok || e.FSType != "ext4" {
		t.Errorf("%+v", e)
	}
	if _, ok := table.At("/mnt"); ok {
		t.Error("found what is not mounted")
	}
	if got := table.Beneath("/mnt", 10); len(got) != 2 {
		t.Errorf("beneath /mnt: %q", got)
	}
	if got := table.Beneath("/mn", 10); len(got) != 0 {
		t.Errorf("beneath /mn: %q", got)
	}
}

func TestDamagedMountinfoIsAnError(t *testing.T) {
	for _, line := range []string{
		"\n", "1 2\n", "x 27 0:21 / /proc rw - proc proc rw\n", "1 -2 0:21 / /proc rw - proc proc rw\n", "1 2 021 / /proc rw - proc proc rw\n",
		"1 2 0:99999999999 / /proc rw - proc proc rw\n", "1 2 0:1 / /proc rw shared:1 proc proc rw\n", "1 2 0:1 / /proc rw - proc proc\n",
		"22 27 0:21 / /proc rw - proc proc rw", strings.Repeat("x", maxLine+1) + "\n",
	} {
		if table, err := parseTable(strings.NewReader(line)); err == nil {
			t.Errorf("%.80q: %+v", line, table)
		}
	}
}

func TestEscapesThatAreNoneStay(t *testing.T) {
	for in, want := range map[string]string{`a\040`: "a ", `\04`: `\04`, `\`: `\`, `\999`: `\999`, `\777`: `\777`, `\+12`: `\+12`, `\134040`: `\040`, `\-01`: `\-01`} {
		if got := unescape(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAMountIsFoundByANameThatNeedsEscapes(t *testing.T) {
	mayMount(t)
	h := newHome(t)
	h.tree("1", "a=1")
	id := h.mount(anyWay, Spec{Kind: Bind, Lower: h.pins("1")}, "a b\\040\tc\nd#é")
	table, err := ReadTable()
	must(t, err)
	e, ok := table.At(h.p("a b\\040\tc\nd#é"))
	if !ok || e.ID != id.Mount || !strings.Contains(e.Options, "ro") {
		t.Errorf("%+v, %+v", e, id)
	}
	must(t, Unmount(context.Background(), e.Target, false))
}

func TestIdentitiesAreComparedByWhatTheKernelGives(t *testing.T) {
	for _, test := range []struct {
		a, b ID
		same bool
	}{
		{ID{7, 1, 2}, ID{7, 1, 2}, true},
		{ID{7, 1, 2}, ID{8, 1, 2}, false}, // a number given anew
		{ID{0, 1, 2}, ID{8, 1, 2}, true},
		{ID{0, 1, 2}, ID{0, 1, 3}, false},
		{ID{0, 1, 2}, ID{0, 2, 2}, false},
		{ID{}, ID{}, false},
	} {
		if test.a.Same(test.b) != test.same || test.b.Same(test.a) != test.same {
			t.Errorf("%+v and %+v", test.a, test.b)
		}
	}
}

func TestOlderKernelsTellMountsByProc(t *testing.T) {
	mayMount(t)
	h := newHome(t)
	h.tree("1", "d/a=1")
	id := h.mount(anyWay, Spec{Kind: Bind, Lower: h.pins("1")}, "m")
	for path, isRoot := range map[string]bool{"m": true, "m/d": false} {
		f, err := os.Open(h.p(path))
		must(t, err)
		defer f.Close()
		n, err := fdinfoMount(int(f.Fd()))
		if err != nil || n != id.Mount {
			t.Errorf("%s: %d, %v, want %d", path, n, err, id.Mount)
		}
		if got, err := inTable(int(f.Fd()), n); err != nil || got != isRoot {
			t.Errorf("%s is a mount's root: %v, %v", path, got, err)
		}
	}
}

// What is read comes out as it went in, whatever it is.
func FuzzMountinfo(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("22 27 0:21 / /pr\\057oc rw - proc proc rw\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		table, err := parseTable(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		if lines := strings.Count(string(in), "\n"); len(table) != lines {
			t.Fatalf("%d mounts in %d lines", len(table), lines)
		}
		for _, e := range table {
			if e.ID < 0 || e.Parent < 0 {
				t.Fatalf("%+v", e)
			}
			if got := unescape(escape(e.Target)); got != e.Target {
				t.Fatalf("%q became %q", e.Target, got)
			}
			table.At(e.Target)
			table.Beneath(e.Target, 5)
		}
	})
}

func FuzzRecord(f *testing.F) {
	s := stored{Record: Record{Target: "/x"}}
	f.Add([]byte(`{"target":"/x","id":{"mount":1}}`), s.fileName())
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		if s, err := parseRecord(body, name); err == nil && (s.Target[0] != '/' || s.fileName() != name) {
			t.Fatalf("%+v", s)
		}
	})
}

// escape does as the kernel does.
func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, "\\", `\134`, "#", `\043`).Replace(s)
}
