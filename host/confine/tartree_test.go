package confine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// archivedBy is the listing of an archive that put fills.
func archivedBy(t *testing.T, put func(w *TarWriter) error) []string {
	t.Helper()
	var out bytes.Buffer
	w := NewTarWriter(context.Background(), &out, nil)
	must(t, put(w))
	must(t, w.Close(nil))
	return listing(t, out.Bytes())
}

func anyName(string) error { return nil }

// whiteoutOrSkip makes a character device 0:0, which anybody may on most
// kernels.
func whiteoutOrSkip(t *testing.T, p string) {
	t.Helper()
	if err := unix.Mknod(p, unix.S_IFCHR, 0); err == unix.EPERM {
		t.Skip("this user may not make a whiteout here")
	} else {
		must(t, err)
	}
}

func TestALayersTopIsArchivedAsTheDiffToTheRest(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("trusted.overlay.opaque is root's")
	}
	upper, lower := t.TempDir(), t.TempDir()
	for _, p := range []string{"was", "was/deep", "merged"} {
		must(t, os.MkdirAll(filepath.Join(lower, p), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(lower, "merged/gone"), nil, 0o600))
	for _, p := range []string{"was", "was/deep", "new", "merged"} {
		must(t, os.MkdirAll(filepath.Join(upper, p), 0o755))
	}
	must(t, os.WriteFile(filepath.Join(upper, "merged/came"), []byte("came"), 0o600))
	must(t, unix.Mknod(filepath.Join(upper, "merged/dev"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	whiteoutOrSkip(t, filepath.Join(upper, "merged/gone"))
	for _, p := range []string{"was", "new", "was/deep"} { // the kernel marks what it makes in a merged directory
		must(t, unix.Setxattr(filepath.Join(upper, p), "trusted.overlay.opaque", []byte("y"), 0))
	}
	stack := NewStack([]*Dir{opened(t, upper), opened(t, lower)}, false)
	got := archivedBy(t, func(w *TarWriter) error { return w.Layer(stack, ".", ".", anyName) })
	want := []string{
		"5 merged/> ", "0 merged/came> came", "3 merged/dev> ", "0 merged/.wh.gone> ",
		"5 new/> ",
		"5 was/> ", "0 was/.wh..wh..opq> ", "5 was/deep/> ", "0 was/deep/.wh..wh..opq> ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// By itself the top is all there is: nothing lies beneath to be hidden.
	alone := NewStack([]*Dir{opened(t, upper)}, false)
	got = archivedBy(t, func(w *TarWriter) error { return w.Tree(alone, ".", ".", anyName) })
	want = []string{"5 merged/> ", "0 merged/came> came", "3 merged/dev> ", "5 new/> ", "5 was/> ", "5 was/deep/> "}
	if !slices.Equal(got, want) {
		t.Errorf("alone: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestATreeDeeperThanDescriptorsAreHeldIsArchived(t *testing.T) {
	root := t.TempDir()
	p, want := root, []string(nil)
	name := ""
	for range 3 * maxHeld {
		p, name = filepath.Join(p, "d"), name+"d/"
		want = append(want, "5 "+name+"> ")
	}
	must(t, os.MkdirAll(p, 0o755))
	must(t, os.WriteFile(filepath.Join(p, "f"), []byte("deep"), 0o600))
	want = append(want, "0 "+name+"f> deep")
	d := opened(t, root)
	before := openFiles(t)
	got := archivedBy(t, func(w *TarWriter) error { return w.Tree(d, ".", ".", anyName) })
	if !slices.Equal(got, want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	if now := openFiles(t); now != before {
		t.Errorf("%d files are open, were %d", now, before)
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

func TestWhatIsRemovedWhileATreeIsArchivedIsLeftOut(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "b/c"), 0o755))
	must(t, os.MkdirAll(filepath.Join(root, "d"), 0o755))
	for i := range 3 {
		must(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("a%d", i)), []byte("a"), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(root, "b/c/f"), nil, 0o600))
	d := opened(t, root)
	got := archivedBy(t, func(w *TarWriter) error {
		return w.Tree(d, ".", ".", func(name string) error {
			switch name { // all names of the root were read by now
			case "a1":
				return os.Remove(filepath.Join(root, "a1"))
			case "b":
				return os.RemoveAll(filepath.Join(root, "b"))
			}
			return nil
		})
	})
	if want := []string{"0 a0> a", "0 a2> a", "5 d/> "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnArchiveThatIsGivenUpLeavesNoDirectoryOpen(t *testing.T) {
	root := t.TempDir()
	for i := range 100 {
		dir := filepath.Join(root, fmt.Sprintf("d%02d", i))
		must(t, os.Mkdir(dir, 0o755))
		for k := range 10 {
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(k)), make([]byte, 1000), 0o600))
		}
	}
	d := opened(t, root)
	before := openFiles(t)
	left := fmt.Errorf("left")
	w := NewTarWriter(context.Background(), failsAfter{new(int)}, nil)
	err := w.Tree(d, ".", ".", anyName)
	if cerr := w.Close(left); err == nil && cerr == nil {
		t.Error("an archive that nobody took was made")
	}
	if now := openFiles(t); now != before {
		t.Errorf("%d files are open, were %d", now, before)
	}
}

// failsAfter takes one write.
type failsAfter struct{ n *int }

func (f failsAfter) Write(p []byte) (int, error) {
	if *f.n++; *f.n > 1 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}
