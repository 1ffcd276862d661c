//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// onDaemonsRoot is the program on the root of a dockerd, which does not run.
func onDaemonsRoot(d *daemon) *program {
	d.t.Helper()
	p := newProgram(d.t)
	p.root, p.driver = d.root(), d.driver
	return p
}

// layout describes what there is beneath a directory: names, types, modes,
// owners, targets of symlinks and what is in files; what is compressed is
// unpacked, since no two compressors agree. Names that are chance are renamed.
func layout(t testing.TB, dir string, rename *strings.Replacer) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s %#o %d:%d", rel, st.Mode, st.Uid, st.Gid)
		switch {
		case e.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " -> " + to
		case strings.HasSuffix(rel, ".gz"):
			line += fmt.Sprintf(" holds %s", digest.FromString(lastSegment.ReplaceAllString(tool(t, "gzip", "-dc", p), "")))
		case e.Type().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %.200q", b)
		}
		lines = append(lines, rename.Replace(line))
		if e.IsDir() && content(rel) {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// lastSegment is what tar-split before 0.11.3 writes at the end of its data.
var lastSegment = regexp.MustCompile(`\{"type":2,"payload":"","position":[0-9]+\}\n$`)

// content tells whether a directory of a driver holds the files of a layer,
// which are compared elsewhere, or what the kernel made there for a mount.
func content(rel string) bool {
	at := strings.Split(rel, "/")
	return len(at) == 2 && (at[0] == "dir" || at[1] == "diff" || at[1] == "work")
}

// ordered gives the names that are chance, of an image's layers, new ones that
// are the same in every root.
func ordered(t testing.TB, root, driver, chain string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for i, id := range cacheIDs(t, root, driver, chain) {
		pairs = append(pairs, id, fmt.Sprintf("<layer %d>", i))
		if driver == "overlay2" {
			pairs = append(pairs, readLine(t, root, driver, id, "link"), fmt.Sprintf("<link %d>", i))
		}
	}
	return strings.NewReplacer(pairs...)
}

func TestARootThatWasFilledHereIsADockerds(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			archive := debianSlimForDocker(t)
			reference := newDaemon(t, driver)
			reference.docker("load", "-i", archive)
			wanted := layerDigests(t, reference, debianSlimID)
			reference.stop()

			d := newDaemon(t, driver)
			d.stop()
			p := onDaemonsRoot(d)
			p.ok("image", "load", "-i", archive)
			p.ok("image", "tag", debianSlimID, "slim:e2e")
			chain := p.topLayer()
			sameLayout(t, reference, d, chain)

			d.start()
			if got := d.docker("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"); !strings.Contains(got, debianSlimID+" slim:e2e") {
				t.Fatalf("dockerd lists %s", got)
			}
			if got := d.docker("run", "--rm", "--network", "none", "slim:e2e", "cat", "/etc/debian_version"); !strings.HasPrefix(got, "12") && !strings.HasPrefix(got, "13") {
				t.Errorf("a container says %q", got)
			}
			if got := layerDigests(t, d, "slim:e2e"); !slices.Equal(got, wanted) {
				t.Errorf("dockerd saves\n%q\nof its own root\n%q", got, wanted)
			}
			d.docker("run", "--name", "c1", "--network", "none", "slim:e2e", "sh", "-c", "echo made > /made; rm -r /etc/apt; chmod 700 /opt")
			d.docker("commit", "c1", "committed:e2e")
			d.docker("rm", "c1")
			if got := strings.TrimSpace(d.docker("run", "--rm", "--network", "none", "committed:e2e", "cat", "/made")); got != "made" {
				t.Errorf("what was committed says %q", got)
			}
			d.stop()

			p.ok("image", "verify")
			p.ok("image", "rm", "committed:e2e")
			p.ok("image", "verify")

			d.start()
			ids := strings.Fields(d.docker("images", "-q"))
			d.docker(append([]string{"rmi", "-f"}, ids...)...)
			d.stop()
			for _, dir := range []string{"image/" + driver + "/layerdb/sha256", "image/" + driver + "/imagedb/content/sha256"} {
				if left, _ := os.ReadDir(filepath.Join(d.root(), dir)); len(left) > 0 {
					t.Errorf("after dockerd has removed all, %s holds %v", dir, left)
				}
			}
			home := map[string]string{"overlay2": "overlay2", "vfs": "vfs/dir"}[driver]
			left, err := os.ReadDir(filepath.Join(d.root(), home))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range left {
				if len(e.Name()) == 64 {
					t.Errorf("after dockerd has removed all, the driver holds %s", e.Name())
				}
			}
			if out := p.ok("image", "ls", "-q") + p.ok("layer", "ls", "-q"); out != "" {
				t.Errorf("after dockerd has removed all, there is %s", out)
			}
		})
	}
}

// sameLayout compares what two roots say of an image's layers and how the
// driver keeps them.
func sameLayout(t *testing.T, theirs, ours *daemon, chain string) {
	t.Helper()
	driver := theirs.driver
	dirs := map[string][]string{"overlay2": {"overlay2"}, "vfs": {"vfs"}}[driver]
	for _, dir := range append(dirs, "image/"+driver+"/layerdb/sha256") {
		want := layout(t, filepath.Join(theirs.root(), dir), ordered(t, theirs.root(), driver, chain))
		got := layout(t, filepath.Join(ours.root(), dir), ordered(t, ours.root(), driver, chain))
		for _, line := range want {
			// Narrower here, in a directory that nobody else may enter.
			if line == ". 040755 0:0" && slices.Contains(got, ". 040700 0:0") {
				continue
			}
			if !slices.Contains(got, line) {
				t.Errorf("%s: dockerd has %s", dir, line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) && line != ". 040700 0:0" {
				t.Errorf("%s: ours alone is %s", dir, line)
			}
		}
	}
}

// layerDigests are the digests of the layers that docker save writes.
func layerDigests(t testing.TB, d *daemon, image string) []string {
	t.Helper()
	dir := t.TempDir()
	d.docker("save", "-o", filepath.Join(dir, "save.tar"), image)
	tool(t, "tar", "-xf", filepath.Join(dir, "save.tar"), "-C", dir)
	var manifest []struct{ Layers []string }
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err == nil {
		err = json.Unmarshal(b, &manifest)
	}
	if err != nil || len(manifest) != 1 {
		t.Fatalf("what docker save wrote: %s: %v", b, err)
	}
	var sums []string
	for _, l := range manifest[0].Layers {
		sums = append(sums, strings.Fields(tool(t, "sha256sum", filepath.Join(dir, l)))[0])
	}
	return sums
}

// everything lists all beneath a directory with inode, mode, size, times of
// change and of modification: what nobody has written to is the same.
func everything(t testing.TB, dir string) []byte {
	t.Helper()
	out, err := exec.Command("find", dir, "-printf", "%P %i %M %n %s %T@ %C@ %l\n").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	lines := bytes.Split(out, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, []byte("\n"))
}
