//go:build e2e

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stored finds a file in the driver's directory of the layer that brought it.
func (p *program) stored(name string) (path, diffID string) {
	p.t.Helper()
	chains, err := os.ReadDir(filepath.Join(p.root, "image/vfs/layerdb/sha256"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range chains {
		dir := filepath.Join(p.root, "image/vfs/layerdb/sha256", c.Name())
		if _, err := os.Stat(filepath.Join(dir, "parent")); err == nil {
			continue
		}
		id, err := os.ReadFile(filepath.Join(dir, "cache-id"))
		if err != nil {
			p.t.Fatal(err)
		}
		diff, err := os.ReadFile(filepath.Join(dir, "diff"))
		if err != nil {
			p.t.Fatal(err)
		}
		return filepath.Join(p.root, "vfs/dir", string(id), name), string(diff)
	}
	p.t.Fatal("no lowest layer")
	return "", ""
}

func TestAChangedByteIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	path, diffID := p.stored("etc/debian_version")
	restore := timesOf(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	says := []string{diffID, "etc/debian_version"}
	p.fails(3, says, "image", "verify", debianSlimID)
	p.fails(3, says, "layer", "verify", diffID)
	p.fails(3, says, "layer", "diff", diffID)
	for _, format := range []string{"docker-archive", "oci-archive"} {
		dir := t.TempDir()
		p.fails(3, says, "image", "save", "--format", format, "-o", filepath.Join(dir, "o.tar"), debianSlimID)
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("a failed save left %v, %v", left, err)
		}
		if r := p.fails(3, says, "image", "save", "--format", format, debianSlimID); r.stdout != "" {
			t.Errorf("%d bytes on stdout before the layer was found to be broken", len(r.stdout))
		}
	}
	b[0] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	restore()
	p.ok("image", "verify", debianSlimID)
}

// timesOf returns what gives a file and its directory back the times that they
// have now, which belong to a layer as its content does.
func timesOf(t testing.TB, path string) (restore func()) {
	t.Helper()
	paths := []string{path, filepath.Dir(path)}
	times := map[string]time.Time{}
	for _, p := range paths {
		fi, err := os.Lstat(p)
		if err != nil {
			t.Fatal(err)
		}
		times[p] = fi.ModTime()
	}
	return func() {
		t.Helper()
		for _, p := range paths {
			if err := os.Chtimes(p, times[p], times[p]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAMissingAShortAndAReplacedFileAreFoundAndNamed(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	path, diffID := p.stored("etc/debian_version")
	restore := timesOf(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func() error{
		"missing":        func() error { return os.Remove(path) },
		"shorter":        func() error { return os.WriteFile(path, good[:1], 0o644) },
		"longer":         func() error { return os.WriteFile(path, append(good, 'x'), 0o644) },
		"a symlink":      func() error { os.Remove(path); return os.Symlink("/etc/debian_version", path) },
		"a directory":    func() error { os.Remove(path); return os.Mkdir(path, 0o755) },
		"another's fifo": func() error { os.Remove(path); tool(t, "mkfifo", path); return nil },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		r := p.fails(3, []string{diffID, "etc/debian_version"}, "image", "verify", debianSlimID)
		// The stream ends at the file and has another digest; the tree has the
		// file and the time of its directory. Nothing else is to blame.
		if n := len(strings.Split(strings.TrimSpace(r.stderr), "\n")); n > 4 {
			t.Errorf("%s: %d lines for one file: %s", name, n, r.stderr)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
		restore()
	}
	p.ok("image", "verify", debianSlimID)
}

func TestReadingWritesNothing(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	before := snapshot(t, p.root)
	for _, args := range [][]string{
		{"image", "ls"}, {"image", "inspect", debianSlimID}, {"image", "history", debianSlimID}, {"image", "verify", debianSlimID},
		{"layer", "ls"}, {"image", "save", "-o", filepath.Join(t.TempDir(), "o.tar"), debianSlimID},
	} {
		p.ok(args...)
		if after := snapshot(t, p.root); after != before {
			t.Fatalf("%v changed the root:\n%s\n%s", args, before, after)
		}
	}
}

// snapshot lists a tree with sizes and times, without content.
func snapshot(t testing.TB, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if rel, _ := filepath.Rel(root, p); !strings.HasPrefix(rel, "vfs/dir/") {
			out.WriteString(rel + " " + fi.Mode().String() + " " + fi.ModTime().String() + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
