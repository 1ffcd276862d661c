package confine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sample is a tree with one of everything.
func sample(t *testing.T, root string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(root, "src/d/e"), 0o755))
	p := func(s string) string { return filepath.Join(root, "src", s) }
	must(t, os.WriteFile(p("f"), []byte(strings.Repeat("content", 20000)), 0o640))
	must(t, os.WriteFile(p("empty"), nil, 0o600))
	must(t, os.Link(p("f"), p("d/twin")))
	must(t, os.Link(p("f"), p("d/e/triplet")))
	must(t, os.Symlink("../f", p("d/s")))
	must(t, os.Link(p("d/s"), p("d/s2")))
	must(t, unix.Mkfifo(p("fifo"), 0o620))
	sparse, err := os.Create(p("sparse"))
	must(t, err)
	must(t, sparse.Truncate(1<<20))
	_, err = sparse.WriteAt([]byte("tail"), 1<<20-4)
	must(t, err)
	must(t, sparse.Close())
	must(t, os.WriteFile(p("d/\xff\n"), []byte("bytes"), 0o600))
	must(t, os.Chmod(p("d"), 0o2751))
	if err := unix.Setxattr(p("f"), "user.x", []byte("y"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "empty", "fifo", "sparse", "d/e", "d", ""} {
		at := time.Unix(1_400_000_000+int64(len(name)), 77)
		must(t, os.Chtimes(p(name), at, at))
	}
}

// shape describes a tree but for its inodes and ctimes.
func shape(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	groups := map[uint64]string{}
	d := opened(t, root)
	must(t, filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		must(t, err)
		st, err := d.Lstat(rel, NoLinks)
		must(t, err)
		var content []byte
		switch st.Type() {
		case unix.S_IFREG:
			content, err = os.ReadFile(p)
		case unix.S_IFLNK:
			var to string
			to, err = os.Readlink(p)
			content = []byte(to)
		}
		must(t, err)
		names, err := d.Listxattr(rel, NoLinks)
		must(t, err)
		if groups[st.Ino] == "" {
			groups[st.Ino] = rel
		}
		links := st.Nlink
		if st.Type() == unix.S_IFDIR {
			links, st.Size = 0, 0
		}
		fmt.Fprintf(&b, "%q %o %d:%d %d %v of %q (%d) %v %x\n", rel, st.Mode, st.UID, st.GID, st.Size, st.Mtim, groups[st.Ino], links, names, content[:min(len(content), 10)])
		return nil
	}))
	return b.String()
}

func TestACopyIsTheTreeItIsOf(t *testing.T) {
	root := t.TempDir()
	sample(t, root)
	d := opened(t, root)
	must(t, os.Mkdir(filepath.Join(root, "empty"), 0o700))
	want := shape(t, filepath.Join(root, "src"))
	for _, dst := range []string{"dst", "empty"} {
		must(t, CopyTree(context.Background(), d, "src", d, dst, os.Getuid() != 0))
		if got := shape(t, filepath.Join(root, dst)); got != want {
			t.Errorf("copied\n%s\nas\n%s", want, got)
		}
	}
	st, err := d.Lstat("src/f", NoLinks)
	must(t, err)
	if copied, err := d.Lstat("dst/f", NoLinks); err != nil || copied.Ino == st.Ino || copied.Nlink != 3 {
		t.Errorf("%+v %v", copied, err)
	}
	for _, single := range []string{"f", "d/s", "fifo"} {
		dst := "one-" + filepath.Base(single)
		must(t, CopyTree(context.Background(), d, "src/"+single, d, dst, false))
		a, _ := d.Lstat("src/"+single, NoLinks)
		b, err := d.Lstat(dst, NoLinks)
		if err != nil || a.Mode != b.Mode || a.Size != b.Size {
			t.Errorf("%s: %+v %v", single, b, err)
		}
	}
}

func TestACopyRefusesWhatIsTaken(t *testing.T) {
	root := t.TempDir()
	sample(t, root)
	d := opened(t, root)
	must(t, os.MkdirAll(filepath.Join(root, "full/x"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	must(t, os.Symlink("full/x", filepath.Join(root, "link")))
	for _, dst := range []string{"full", "file", "link"} {
		if err := CopyTree(context.Background(), d, "src", d, dst, false); !errors.Is(err, unix.EEXIST) {
			t.Errorf("onto %s: %v", dst, err)
		}
	}
	if err := CopyTree(context.Background(), d, "src/f", d, "full/x", false); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a file onto a directory: %v", err)
	}
	if err := CopyTree(context.Background(), d, "missing", d, "new", false); !errors.Is(err, unix.ENOENT) {
		t.Errorf("of nothing: %v", err)
	}
	if err := CopyTree(context.Background(), d, "src", d, "link/new", false); !errors.Is(err, unix.ELOOP) {
		t.Errorf("through a link: %v", err)
	}
}

func TestTreesStopWithTheirContext(t *testing.T) {
	root := t.TempDir()
	sample(t, root)
	d := opened(t, root)
	reason := errors.New("a reason")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	if err := CopyTree(ctx, d, "src", d, "dst", false); !errors.Is(err, reason) {
		t.Errorf("copy: %v", err)
	}
	if err := d.RemoveTree(ctx, "src"); !errors.Is(err, reason) {
		t.Errorf("removal: %v", err)
	}
	if _, err := d.Usage(ctx, "src"); !errors.Is(err, reason) {
		t.Errorf("usage: %v", err)
	}
	var bufs [2][]byte
	bufs[0], bufs[1] = make([]byte, 16), make([]byte, 16)
	if _, err := EqualFiles(ctx, d, "src/f", d, "src/f", &bufs); !errors.Is(err, reason) {
		t.Errorf("comparison: %v", err)
	}
}

func TestARemovalFollowsNothing(t *testing.T) {
	root := t.TempDir()
	sample(t, root)
	d := opened(t, root)
	must(t, os.MkdirAll(filepath.Join(root, "keep/d"), 0o755))
	must(t, os.Symlink("../../keep", filepath.Join(root, "src/d/out")))
	must(t, os.Symlink("keep", filepath.Join(root, "link")))
	must(t, d.RemoveTree(context.Background(), "link"))
	must(t, d.RemoveTree(context.Background(), "src"))
	if err := d.RemoveTree(context.Background(), "src"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a second time: %v", err)
	}
	if err := d.RemoveTree(context.Background(), "."); !errors.Is(err, unix.EINVAL) {
		t.Errorf("the base itself: %v", err)
	}
	if left, _ := os.ReadDir(root); len(left) != 1 || left[0].Name() != "keep" {
		t.Errorf("left are %v", left)
	}
	if left, _ := os.ReadDir(filepath.Join(root, "keep")); len(left) != 1 {
		t.Errorf("left in keep are %v", left)
	}
}

// A tree deeper than any path can name, and than descriptors to spare.
func TestTreesDeeperThanAPathAreBoundedAndRemoved(t *testing.T) {
	root := t.TempDir()
	d := opened(t, root)
	fd, err := d.open(".", unix.O_PATH|unix.O_DIRECTORY, 0, NoLinks)
	must(t, err)
	for range 3 * removeDepth * 4 {
		must(t, unix.Mkdirat(fd, "d", 0o755))
		must(t, unix.Mkdirat(fd, "e", 0o755))
		down, err := openDirAt(fd, "d")
		must(t, err)
		unix.Close(fd)
		fd = down
	}
	unix.Close(fd)
	if _, err := d.Usage(context.Background(), "."); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("usage: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(root, "to"), 0o755))
	if err := CopyTree(context.Background(), d, "d", d, "to/copy", false); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("copy: %v", err)
	}
	must(t, d.RemoveTree(context.Background(), "to"))
	must(t, d.RemoveTree(context.Background(), "d"))
	if left, _ := os.ReadDir(root); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

func TestUsageCountsAnInodeOnce(t *testing.T) {
	root := t.TempDir()
	sample(t, root)
	n, err := opened(t, root).Usage(context.Background(), "src")
	// The file once, the sparse one in full, the link's target once, the bytes.
	if want := int64(7*20000 + 1<<20 + len("../f") + len("bytes")); err != nil || n != want {
		t.Errorf("%d %v, want %d", n, err, want)
	}
}

func TestFilesAreComparedByContent(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{"a": "same", "b": "same", "c": "diff", "short": "sam", "empty": "", "empty2": ""} {
		must(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o600))
	}
	must(t, os.Symlink("a", filepath.Join(root, "la")))
	must(t, os.Symlink("a", filepath.Join(root, "lb")))
	must(t, os.Symlink("b", filepath.Join(root, "lc")))
	must(t, os.Mkdir(filepath.Join(root, "d"), 0o755))
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	d := opened(t, root)
	var bufs [2][]byte
	bufs[0], bufs[1] = make([]byte, 3), make([]byte, 3)
	for _, test := range []struct {
		a, b  string
		equal bool
		fails bool
	}{
		{"a", "b", true, false}, {"a", "c", false, false}, {"a", "short", false, false}, {"short", "a", false, false},
		{"empty", "empty2", true, false}, {"a", "empty", false, false}, {"la", "lb", true, false}, {"la", "lc", false, false},
		{"a", "la", false, false}, {"la", "a", false, false}, {"a", "d", false, true}, {"d", "d", false, true},
		{"fifo", "fifo", false, true}, {"a", "fifo", false, true}, {"a", "missing", false, true}, {"missing", "a", false, true},
	} {
		eq, err := EqualFiles(context.Background(), d, test.a, d, test.b, &bufs)
		if eq != test.equal || (err != nil) != test.fails {
			t.Errorf("%s and %s: %v %v", test.a, test.b, eq, err)
		}
	}
}

func TestAListingTellsAttributesApart(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a", "b", "c", "none"} {
		must(t, os.WriteFile(filepath.Join(root, name), nil, 0o600))
	}
	set := func(name, attr, value string) {
		err := unix.Setxattr(filepath.Join(root, name), attr, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			t.Skip("the file system of TMPDIR has no user attributes: ", err)
		}
		must(t, err)
	}
	set("a", "user.x", "1")
	set("b", "user.x", "1")
	set("c", "user.x", "2")
	set("none", "user.overlay.opaque", "y") // bookkeeping of a file system
	names, err := NewLister().List(opened(t, root), ".", true)
	must(t, err)
	if len(names) != 4 || names[0].Attrs == 0 || names[0].Attrs != names[1].Attrs || names[0].Attrs == names[2].Attrs || names[3].Attrs != 0 {
		t.Errorf("%+v", names)
	}
}
