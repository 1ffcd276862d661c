package confine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

func when(n int) time.Time { return time.Unix(1_500_000_000+int64(n), 123) }

func file(p, body string) *layertar.Entry {
	return &layertar.Entry{Name: p, Path: p, Kind: layertar.File, Mode: 0o640, Size: int64(len(body)), ModTime: when(1), Link: body}
}

func entry(kind layertar.Kind, p, link string) *layertar.Entry {
	return &layertar.Entry{Name: p, Path: p, Kind: kind, Mode: 0o750, Link: link, ModTime: when(2)}
}

// apply makes entries beneath d. The content of a file stands in its Link.
// What this user may not create is left out: implied directories are root's.
func apply(d *Dir, opt ApplyOptions, entries ...*layertar.Entry) (Applied, error) {
	opt.Unprivileged = opt.Unprivileged || os.Geteuid() != 0
	return applyAsIs(d, opt, entries...)
}

func applyAsIs(d *Dir, opt ApplyOptions, entries ...*layertar.Entry) (Applied, error) {
	a := NewApplier(d, opt)
	for _, e := range entries {
		e := *e
		if e.UID == 0 {
			e.UID, e.GID = uint32(os.Getuid()), uint32(os.Getgid())
		}
		var body Payload
		if e.Kind == layertar.File {
			body, e.Link = Payload{Held: []byte(e.Link)}, ""
		}
		if err := a.Apply(context.Background(), &e, "", body); err != nil {
			a.Abort()
			return Applied{}, err
		}
	}
	return a.Finish(context.Background())
}

func reads(t *testing.T, root, p, want string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, p))
	if err != nil || string(b) != want {
		t.Errorf("%s: %q %v, want %q", p, b, err, want)
	}
}

func TestWhatIsInTheWayIsReplaced(t *testing.T) {
	root := t.TempDir()
	d := opened(t, root)
	must(t, os.MkdirAll(filepath.Join(root, "dir/deep/er"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "file"), []byte("old"), 0o600))
	must(t, os.Symlink("nowhere", filepath.Join(root, "link")))
	must(t, os.WriteFile(filepath.Join(root, "alias"), []byte("shared"), 0o600))
	must(t, os.Link(filepath.Join(root, "alias"), filepath.Join(root, "alias2")))
	_, err := apply(d, ApplyOptions{},
		file("dir", "now a file"), entry(layertar.Dir, "file", ""), file("file/in", "x"), file("link", "no link"),
		file("alias", "own"), entry(layertar.Symlink, "s", "first"), entry(layertar.Symlink, "s", "second"))
	must(t, err)
	reads(t, root, "dir", "now a file")
	reads(t, root, "file/in", "x")
	reads(t, root, "link", "no link")
	reads(t, root, "alias", "own")
	reads(t, root, "alias2", "shared")
	if to, _ := os.Readlink(filepath.Join(root, "s")); to != "second" {
		t.Errorf("s leads to %q", to)
	}
	if _, err := os.Lstat(filepath.Join(root, "nowhere")); err == nil {
		t.Error("a link was written through")
	}
}

func TestAHardLinkIsToTheNameAsItIsByThen(t *testing.T) {
	root := t.TempDir()
	d := opened(t, root)
	must(t, os.WriteFile(filepath.Join(root, "f"), []byte("lower"), 0o600))
	_, err := apply(d, ApplyOptions{}, file("f", "upper"), entry(layertar.Hardlink, "g", "f"), entry(layertar.Hardlink, "dir/h", "g"))
	must(t, err)
	for _, p := range []string{"f", "g", "dir/h"} {
		reads(t, root, p, "upper")
	}
	st, err := d.Lstat("dir/h", NoLinks)
	if err != nil || st.Nlink != 3 {
		t.Errorf("%+v %v", st, err)
	}
	for _, bad := range []*layertar.Entry{
		entry(layertar.Hardlink, "x", "missing"), entry(layertar.Hardlink, "x", "dir"), entry(layertar.Hardlink, "f", "f"),
	} {
		if _, err := apply(d, ApplyOptions{}, bad); !errors.Is(err, layertar.ErrRefused) {
			t.Errorf("link to %s: %v", bad.Link, err)
		}
	}
}

func TestAnOpaqueMarkerRemovesWhatTheArchiveDidNotBring(t *testing.T) {
	for name, order := range map[string][]*layertar.Entry{
		"before": {entry(layertar.Dir, "o", ""), entry(layertar.Opaque, "o", ""), file("o/new", "new"), file("o/sub/new", "new")},
		"after":  {entry(layertar.Dir, "o", ""), file("o/new", "new"), file("o/sub/new", "new"), entry(layertar.Opaque, "o", "")},
		"alone":  {entry(layertar.Opaque, "o", ""), file("o/new", "new"), file("o/sub/new", "new")},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(root, "o/sub/deep"), 0o755))
			must(t, os.WriteFile(filepath.Join(root, "o/old"), nil, 0o600))
			must(t, os.WriteFile(filepath.Join(root, "o/sub/old"), nil, 0o600))
			_, err := apply(opened(t, root), ApplyOptions{}, order...)
			must(t, err)
			reads(t, root, "o/new", "new")
			reads(t, root, "o/sub/new", "new")
			for _, p := range []string{"o/old", "o/sub/old", "o/sub/deep"} {
				if _, err := os.Lstat(filepath.Join(root, p)); err == nil {
					t.Errorf("%s is left", p)
				}
			}
		})
	}
}

func TestAPayloadOfTheSameArchiveIsNotLost(t *testing.T) {
	for name, entries := range map[string][]*layertar.Entry{
		"replaced":        {file("f", "x"), file("f", "y")},
		"by a directory":  {file("f", "x"), entry(layertar.Dir, "f", "")},
		"whited out":      {file("f", "x"), entry(layertar.Whiteout, "f", "")},
		"with its parent": {file("d/f", "x"), entry(layertar.Whiteout, "d", "")},
		"parent replaced": {file("d/f", "x"), file("d", "y")},
		"through a link":  {entry(layertar.Symlink, "l", "d"), entry(layertar.Dir, "d", ""), file("l/f", "x"), file("d/f", "y")},
		"moved away":      {entry(layertar.Dir, "d", ""), entry(layertar.Symlink, "l", "d"), file("l/f", "x"), entry(layertar.Symlink, "l", "e")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := apply(opened(t, t.TempDir()), ApplyOptions{}, entries...); !errors.Is(err, layertar.ErrRefused) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLinksOfAnArchiveAreFollowedWithinTheBase(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "base")
	must(t, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	must(t, os.MkdirAll(filepath.Join(top, "etc"), 0o755))
	_, err := apply(opened(t, root), ApplyOptions{},
		entry(layertar.Symlink, "abs", "/etc"), file("abs/a", "a"), entry(layertar.Symlink, "up", "../../../../etc"), file("up/b", "b"),
		entry(layertar.Hardlink, "c", "abs/a"))
	must(t, err)
	reads(t, root, "etc/a", "a")
	reads(t, root, "etc/b", "b")
	reads(t, root, "c", "a")
	if left, _ := os.ReadDir(filepath.Join(top, "etc")); len(left) != 0 {
		t.Errorf("outside: %v", left)
	}
	_, err = apply(opened(t, root), ApplyOptions{}, entry(layertar.Symlink, "bad", "/nothing"), file("bad/x", "x"))
	if !errors.Is(err, layertar.ErrRefused) {
		t.Errorf("through a link to nothing: %v", err)
	}
}

func TestDirectoriesHaveTheirOwnTimesInTheEnd(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "lower"), 0o755))
	must(t, os.Chtimes(filepath.Join(root, "lower"), when(7), when(7)))
	must(t, os.WriteFile(filepath.Join(root, "lower/gone"), nil, 0o600))
	must(t, os.Chtimes(filepath.Join(root, "lower"), when(7), when(7)))
	entries := []*layertar.Entry{entry(layertar.Dir, "listed", ""), file("lower/f", "x"), file("implied/by/f", "x"), entry(layertar.Whiteout, "lower/gone", "")}
	// Enough directories that none stays open until the end.
	for i := range 3 * openDirs {
		entries = append(entries, entry(layertar.Dir, fmt.Sprintf("listed/%d", i), ""), file(fmt.Sprintf("listed/%d/f", i), "x"))
	}
	for i := range 3 * openDirs {
		entries = append(entries, file(fmt.Sprintf("listed/%d/late", i), "x"))
	}
	_, err := apply(opened(t, root), ApplyOptions{}, entries...)
	must(t, err)
	for p, want := range map[string]time.Time{"listed": when(2), "lower": when(7), "implied": when(1), "implied/by": when(1), "listed/0": when(2), "listed/191": when(2), "listed/5/late": when(1)} {
		fi, err := os.Lstat(filepath.Join(root, p))
		must(t, err)
		if !fi.ModTime().Equal(want) {
			t.Errorf("%s: %v, want %v", p, fi.ModTime(), want)
		}
	}
}

func TestDeepPathsAreMade(t *testing.T) {
	root := t.TempDir()
	d := opened(t, root)
	deep := strings.TrimSuffix(strings.Repeat("d/", 1000), "/")
	_, err := apply(d, ApplyOptions{}, file(deep+"/f", "deep"), entry(layertar.Whiteout, "d/x", ""))
	must(t, err)
	st, err := d.Lstat(deep+"/f", NoLinks)
	if err != nil || st.Size != 4 {
		t.Errorf("%v %v", st.Size, err)
	}
	must(t, d.RemoveTree(context.Background(), "d"))
}

func TestOrderedResultsDoNotDependOnTheNumberOfWriters(t *testing.T) {
	for _, writers := range []int{1, 8} {
		root := t.TempDir()
		var entries []*layertar.Entry
		for i := range 400 {
			entries = append(entries, file(fmt.Sprintf("d%d/f%d", i%7, i), strings.Repeat("x", i)))
			if i%5 == 0 {
				entries = append(entries, entry(layertar.Hardlink, fmt.Sprintf("h%d", i), fmt.Sprintf("d%d/f%d", i%7, i)))
			}
		}
		done, err := apply(opened(t, root), ApplyOptions{Writers: writers}, entries...)
		must(t, err)
		if done.Size != 400*399/2 || done.Entries != int64(len(entries)) {
			t.Errorf("%+v", done)
		}
		for i := 0; i < 400; i += 5 {
			reads(t, root, fmt.Sprintf("h%d", i), strings.Repeat("x", i))
		}
	}
}

func TestAnApplierStopsWhereItIsTold(t *testing.T) {
	d := opened(t, t.TempDir())
	a := NewApplier(d, ApplyOptions{})
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("a reason")
	cancel(reason)
	released := 0
	err := a.Apply(ctx, file("f", ""), "", Payload{Done: func() { released++ }})
	if !errors.Is(err, reason) || released != 1 {
		t.Errorf("%v, payload released %d times", err, released)
	}
	if err := a.Apply(context.Background(), file("g", ""), "", Payload{}); !errors.Is(err, reason) {
		t.Errorf("after a failure: %v", err)
	}
	a.Abort()

	a = NewApplier(d, ApplyOptions{})
	large := file("large", "")
	large.Size = 10
	if err := a.Apply(context.Background(), large, "", Payload{Rest: strings.NewReader("short")}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a payload that ends early: %v", err)
	}
	a.Abort()
}

func TestWhatAUserMayNotCreateIsRecorded(t *testing.T) {
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	root := t.TempDir()
	d := opened(t, root)
	foreign := file("foreign", "x")
	foreign.UID, foreign.GID = 12345, 12345
	trusted := file("trusted", "x")
	trusted.Xattrs = []layertar.Xattr{{Name: "trusted.x", Value: "y"}}
	closed := entry(layertar.Dir, "closed", "")
	closed.Mode = 0
	device := entry(layertar.Char, "null", "")
	device.Major, device.Minor = 1, 3
	entries := []*layertar.Entry{foreign, trusted, closed, file("closed/f", "reachable"), device, entry(layertar.Hardlink, "null2", "null")}
	done, err := apply(d, ApplyOptions{Unprivileged: true}, entries...)
	must(t, err)
	// The device counts once for each of its names.
	if done.Recorded != 5 || done.LeftOwners+done.LeftXattrs+done.LeftNodes != 0 {
		t.Errorf("%+v", done)
	}
	reads(t, root, "closed/f", "reachable")
	if _, err := applyAsIs(opened(t, t.TempDir()), ApplyOptions{}, device); !errors.Is(err, unix.EPERM) {
		t.Errorf("a device where it was not to be left out: %v", err)
	}

	// Reading a directory that is closed to its owner leaves it closed;
	// removing it does not fail.
	must(t, os.Mkdir(filepath.Join(root, "dark"), 0))
	must(t, os.Mkdir(filepath.Join(root, "copy"), 0o700))
	if err := CopyTree(context.Background(), d, "dark", d, "copy/of", true); !errors.Is(err, unix.EACCES) {
		t.Errorf("a copy: %v", err)
	}
	if _, err := d.Usage(context.Background(), "."); !errors.Is(err, unix.EACCES) {
		t.Errorf("its size: %v", err)
	}
	if fi, err := os.Stat(filepath.Join(root, "dark")); err != nil || fi.Mode().Perm() != 0 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	must(t, d.RemoveTree(context.Background(), "dark"))
}

// asNobody runs the test again as a user without powers.
func asNobody(t *testing.T) {
	t.Helper()
	tmp, err := os.MkdirTemp("", "nobody-")
	must(t, err)
	defer os.RemoveAll(tmp)
	must(t, os.Chmod(tmp, 0o777))
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	exe := filepath.Join(tmp, "test")
	must(t, os.WriteFile(exe, self, 0o755))
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = tmp, []string{"TMPDIR=" + tmp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("no right to become another user")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}
