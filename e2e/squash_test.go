//go:build e2e

package e2e

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// layersOf are the archives of an image's layers, lowest first.
func (p *program) layersOf(image string) [][]byte {
	p.t.Helper()
	var out [][]byte
	for _, diff := range p.diffIDs(image) {
		out = append(out, []byte(p.ok("layer", "diff", diff)))
	}
	return out
}

// loaded loads an image made of layers and returns its ID.
func (p *program) loaded(layers ...[]byte) string {
	p.t.Helper()
	out := p.ok("image", "load", "-i", dockerArchive(p.t, layers...))
	_, id, ok := strings.Cut(strings.TrimSpace(out), "Loaded image ID: ")
	if !ok {
		p.t.Fatalf("load: %q", out)
	}
	return id
}

// showsTheSame compares what two images look like when they are mounted.
func (p *program) showsTheSame(a, b string) {
	p.t.Helper()
	da, db := strings.TrimSpace(p.ok("mount", a)), strings.TrimSpace(p.ok("mount", b))
	defer p.ok("umount", da)
	defer p.ok("umount", db)
	diff := slices.DeleteFunc(compareTrees(p.t, da, db), func(d string) bool {
		return strings.HasPrefix(d, `".": mtime`) // nobody's, where no entry says it
	})
	if len(diff) > 0 {
		p.t.Errorf("%s and %s differ:\n%s", a, b, strings.Join(diff, "\n"))
	}
}

// squashes squashes an image onto each of its lower parts and onto nothing,
// and holds the result against it.
func (p *program) squashes(image string) {
	p.t.Helper()
	diffs, layers := p.diffIDs(image), p.layersOf(image)
	before := p.ok("image", "inspect", image)
	for kept := range diffs {
		args := []string{"image", "squash"}
		if kept > 0 {
			args = append(args, "--parent", p.loaded(layers[:kept]...))
		}
		squashed := strings.TrimSpace(p.ok(append(args, image)...))
		got := p.diffIDs(squashed)
		if len(got) != kept+1 || fmt.Sprint(got[:kept]) != fmt.Sprint(diffs[:kept]) {
			p.t.Errorf("onto %d layers: %v, of %v", kept, got, diffs)
		}
		p.showsTheSame(image, squashed)
		p.ok("image", "verify", squashed)
	}
	if after := p.ok("image", "inspect", image); after != before {
		p.t.Errorf("the image itself has changed:\n%s\n%s", before, after)
	}
}

func onBothDrivers(t *testing.T, run func(t *testing.T, p *program)) {
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			if os.Geteuid() != 0 {
				t.Skip("mounting needs root")
			}
			run(t, newProgramOn(t, driver))
		})
	}
}

func TestASquashedImageShowsTheSameFiles(t *testing.T) {
	t.Parallel()
	image := debianSlim(t)
	onBothDrivers(t, func(_ *testing.T, p *program) {
		p.ok("image", "load", "-q", "-i", image)
		p.squashes(debianSlimID)
	})
}

// The root directory is part of the tree too.
func TestASquashedImageKeepsItsRootDirectory(t *testing.T) {
	t.Parallel()
	onBothDrivers(t, func(t *testing.T, p *program) {
		p.squashes(p.loaded(entries(t, "d etc"), pack(t, tar.Header{
			Typeflag: tar.TypeDir, Name: "./", Mode: 0o1711, Uid: 5, Gid: 6, ModTime: time.Unix(1_500_000_000, 7),
			PAXRecords: map[string]string{"SCHILY.xattr.user.k": "v"},
		})))
		p.squashes(p.loaded(awkwardLayers(t)...))
	})
}

// entries spell layers: "d name", "f name body", "l name target", "h name
// target", "- name" for a whiteout, "! dir" for an opaque mark.
func entries(t testing.TB, lines ...string) []byte {
	t.Helper()
	var out []tar.Header
	for i, line := range lines {
		f := append(strings.SplitN(line, " ", 3), "")
		h := tar.Header{Name: f[1], Mode: 0o644, ModTime: time.Unix(1_600_000_000+int64(i), 42)}
		switch f[0] {
		case "d":
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, f[1]+"/"
		case "f":
			h.Typeflag, h.Size, h.Uname = tar.TypeReg, int64(len(f[2])), f[2]
			h.ModTime = time.Unix(1_600_000_000, 42)
		case "l":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f[2], 0o777
		case "h":
			h.Typeflag, h.Linkname = tar.TypeLink, f[2]
			h.ModTime = time.Unix(1_600_000_000, 42)
		case "-":
			h.Typeflag, h.Name = tar.TypeReg, filepath.Join(filepath.Dir(f[1]), ".wh."+filepath.Base(f[1]))
		case "!":
			h.Typeflag, h.Name = tar.TypeReg, f[1]+"/.wh..wh..opq"
		}
		out = append(out, h)
	}
	return pack(t, out...)
}

// What other tools got wrong when they merged layers.
func TestSquashGetsRightWhatSquashToolsGotWrong(t *testing.T) {
	t.Parallel()
	for name, layers := range map[string][][]string{
		"deleted files come back (goldmann/docker-squash#42)": {
			{"d a", "f a/x 1", "f a/y 1", "d b", "f b/z 1"}, {"- a/x", "- b"}, {"f a/new 1"},
		},
		"a directory that was made again is lost (jwilder/docker-squash#23)": {
			{"d a", "f a/old 1", "d a/sub", "f a/sub/s 1"}, {"- a"}, {"d a", "f a/new 1"},
		},
		"a directory is removed and made again in one step": {
			{"d a", "f a/old 1"}, {"d a", "! a", "f a/new 1"}, {"f a/newer 1"},
		},
		"an opaque directory shows what it hides (go-containerregistry#2029)": {
			{"d a", "d a/b", "f a/b/foo 1", "f a/c 1"}, {"d a", "! a"}, {"d a", "f a/d 1"},
		},
		"a change keeps size and time": {
			{"d a", "f a/x aaaa", "f a/y aaaa", "l a/l xx"}, {"d a", "f a/x bbbb"}, {"d a", "f a/other 1"},
		},
		"one of several names changes (go-containerregistry#2002)": {
			{"f t2 123"}, {"h t1 t2", "h t3 t2"}, {"f t1 456"},
		},
		"the first of several names goes (go-containerregistry#977)": {
			{"f a one", "h b a", "h c a"}, {"- a"}, {"f d 1"},
		},
		"a symlink takes the place of a file (docker-squash#116, #124)": {
			{"f A x", "f B x", "f C x", "d D", "f D/x 1"}, {"f A worked", "l B A", "l C A"}, {"- D", "l D A"},
		},
		"a file comes and goes": {
			{"d a"}, {"d a", "f a/secret s3cr3t"}, {"d a", "- a/secret"},
		},
		"types change to and fro": {
			{"d a", "f a/x 1", "f b 1"}, {"- a", "f a now", "- b", "d b", "f b/y 1"}, {"- a", "d a", "f a/z 1", "- b", "f b 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothDrivers(t, func(t *testing.T, p *program) {
				var packed [][]byte
				for _, l := range layers {
					packed = append(packed, entries(t, l...))
				}
				p.squashes(p.loaded(packed...))
			})
		})
	}
}

func TestWhatComesAndGoesIsNotInASquashedLayer(t *testing.T) {
	t.Parallel()
	onBothDrivers(t, func(t *testing.T, p *program) {
		image := p.loaded(entries(t, "d a"), entries(t, "d a", "f a/secret s3cr3t"), entries(t, "d a", "- a/secret"))
		squashed := strings.TrimSpace(p.ok("image", "squash", image))
		if tar := p.ok("layer", "diff", p.diffIDs(squashed)[0]); strings.Contains(tar, "secret") {
			t.Error("it is")
		}
	})
}

// The history of docker build --squash: the parent's as it is, the image's
// with empty layers, and one step more.
func TestTheHistoryHasTheShapeThatDockerGivesIt(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "overlay2")
	dir := t.TempDir()
	for name, body := range map[string]string{
		"Dockerfile": "FROM base:1\nCOPY a /a\nLABEL x=y\nCOPY b /b\nCMD [\"/a\"]\n", "a": "a", "b": "b",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d.env = []string{"DOCKER_BUILDKIT=0"}
	id := strings.TrimSpace(strings.TrimPrefix(d.docker("load", "-q", "-i", dockerArchive(t, entries(t, "d etc", "f etc/x 1"))), "Loaded image ID:"))
	d.docker("tag", id, "base:1")
	d.docker("build", "-q", "-t", "plain:1", dir)
	d.docker("build", "-q", "--squash", "-t", "squashed:1", dir)
	archive := filepath.Join(t.TempDir(), "all.tar")
	d.docker("save", "-o", archive, "base:1", "plain:1", "squashed:1")

	p := newProgramOn(t, "overlay2")
	p.ok("image", "load", "-q", "-i", archive)
	p.ok("image", "squash", "--parent", "base:1", "-t", "ours:1", "plain:1")
	theirs, ours := p.config("squashed:1"), p.config("ours:1")
	if len(theirs.History) != len(ours.History) || len(theirs.RootFS.DiffIDs) != len(ours.RootFS.DiffIDs) {
		t.Fatalf("docker:\n%+v\nours:\n%+v", theirs, ours)
	}
	for i := range theirs.History {
		a, b := theirs.History[i], ours.History[i]
		if i == len(theirs.History)-1 {
			plain := p.imageID("plain:1")
			if want := "merge " + plain + " to " + p.imageID("base:1"); b.Comment != want {
				t.Errorf("the last step says %q, want %q", b.Comment, want)
			}
			// docker squashes another build of the same, whose ID is another.
			if !strings.HasPrefix(a.Comment, "merge sha256:") || !strings.HasSuffix(a.Comment, " to "+p.imageID("base:1")) {
				t.Errorf("docker's last step says %q", a.Comment)
			}
			a.Comment, b.Comment = "", ""
		}
		if a != b {
			t.Errorf("step %d: docker %+v, ours %+v", i, a, b)
		}
	}
	p.showsTheSame("squashed:1", "ours:1")
}

type imageConfig struct {
	History []struct {
		CreatedBy  string `json:"created_by"`
		Comment    string `json:"comment"`
		Author     string `json:"author"`
		EmptyLayer bool   `json:"empty_layer"`
	} `json:"history"`
	RootFS struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

func (p *program) imageID(image string) string {
	p.t.Helper()
	return strings.TrimSpace(p.ok("image", "inspect", "-f", "{{.Id}}", image))
}

// config is an image's configuration as it is stored.
func (p *program) config(image string) (c imageConfig) {
	p.t.Helper()
	id := strings.TrimPrefix(p.imageID(image), "sha256:")
	b, err := os.ReadFile(filepath.Join(p.root, "image", p.driver, "imagedb/content/sha256", id))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}
