package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/check"
)

// richArchive is a docker-save archive of an image with two layers that have some
// of everything.
func richArchive(t *testing.T) string {
	t.Helper()
	when := time.Unix(1700000000, 0)
	pack := func(entries ...tar.Header) []byte {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for _, h := range entries {
			body := h.Uname // what a file holds; nobody has a name
			h.Uname, h.ModTime = "", when
			h.Format = tar.FormatPAX
			if h.Typeflag == 0 {
				h.Typeflag, h.Size = tar.TypeReg, int64(len(body))
			}
			if h.Mode == 0 {
				h.Mode = 0o644
			}
			if err := tw.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(tw, body[:h.Size]); err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	dir := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	low := pack(dir("d/"), dir("gone/"), tar.Header{Name: "d/f", Uname: "content of f"}, tar.Header{Name: "d/g", Uname: "content of g"},
		tar.Header{Name: "gone/x", Uname: "x"}, tar.Header{Name: "twin", Uname: "twins"}, tar.Header{Name: "other", Typeflag: tar.TypeLink, Linkname: "twin"},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "d/f"}, dir("hidden/"), tar.Header{Name: "hidden/h", Uname: "h"})
	top := pack(tar.Header{Name: ".wh.gone"}, dir("hidden/"), tar.Header{Name: "hidden/.wh..wh..opq"}, tar.Header{Name: "hidden/new", Uname: "new"},
		dir("d/"), tar.Header{Name: "d/f", Uname: "another content"})
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%q,%q]}}`, digest.FromBytes(low), digest.FromBytes(top))
	manifest, err := json.Marshal([]any{map[string]any{"Config": "c.json", "RepoTags": []string{"app:1"}, "Layers": []string{"1.tar", "2.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	data := pack(tar.Header{Name: "c.json", Uname: config}, tar.Header{Name: "1.tar", Uname: string(low)}, tar.Header{Name: "2.tar", Uname: string(top)},
		tar.Header{Name: "manifest.json", Uname: string(manifest)})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// asItIs is all of a tree, down to times and attributes, in one line each.
func asItIs(t *testing.T, root string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		fmt.Fprintln(h, p, fi.Mode(), st.Uid, st.Gid, fi.Size(), st.Mtim, st.Ctim, st.Ino)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestCheckFindsEveryKindOfDamage(t *testing.T) {
	if n := len(damages()); n < 40 {
		t.Fatalf("%d kinds of damage", n)
	}
	archive := richArchive(t)
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			whole := loadedWhole(t, driver, archive)
			if out := whole.good("check", "--full"); out != "nothing found\n" {
				t.Fatal(out)
			}
			for _, d := range damages() {
				if d.only != "" && d.only != driver {
					continue
				}
				t.Run(d.name, func(t *testing.T) { d.isFound(t, whole, driver) })
			}
		})
	}
}

func (d damage) isFound(t *testing.T, whole *cli, driver string) {
	c := newCLI(t)
	if out, err := exec.Command("cp", "-a", whole.root, c.root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.do(findStored(t, c.root, driver))
	before := asItIs(t, c.root)
	levels := []string{"--quick", "--full"}
	if d.full {
		levels = levels[1:]
		if out, _, code := c.do("--driver", driver, "check"); code != exitOK {
			t.Logf("a quick check finds it too: %s", out)
		}
	}
	for _, level := range levels {
		out, errs, code := c.do("--driver", driver, "check", level, "--format", "json")
		var found []check.Finding
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatalf("%s: exit %d, %s: %v in\n%s", level, code, errs, err, out)
		}
		if code != exitCorrupt || !strings.Contains(errs, "finding") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %q", level, code, errs)
		}
		if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Kind == d.kind }) {
			t.Errorf("%s: no %s in %s", level, d.kind, out)
		}
		for _, f := range found {
			if f.Path == "" || f.What == "" || f.Why == "" || f.Do == "" {
				t.Errorf("%s: says too little: %+v", level, f)
			}
		}
	}
	if asItIs(t, c.root) != before {
		t.Error("the check changed something")
	}
}

func TestCheckTellsOnlyWhatConcernsAnImage(t *testing.T) {
	c := newCLI(t)
	one, _ := c.archive("one:1", "one")
	two, _ := c.archive("two:1", "two")
	c.good("--driver", "vfs", "image", "load", "-q", "-i", one)
	c.good("image", "load", "-q", "-i", two)
	if err := os.WriteFile(c.file("one"), []byte("eno"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := c.do("check", "--full", "one:1"); code != exitCorrupt || !strings.Contains(out, "file-altered: etc/one\n") || errs != "bulkhead: 1 finding\n" {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	if out := c.good("check", "--full", "two:1"); out != "nothing found\n" {
		t.Errorf("%q", out)
	}
	c.bad(exitFailed, "no such image", "check", "three:1")
	c.bad(exitUsage, "choose one", "check", "--quick", "--full")
	if out, _, _ := c.do("check", "--full", "--format", "{{.Kind}} {{.Path}}"); out != "file-altered etc/one\n" {
		t.Errorf("%q", out)
	}
}

func TestALostRecordIsOneFinding(t *testing.T) {
	c := newCLI(t)
	c.good("--driver", "vfs", "image", "load", "-q", "-i", richArchive(t))
	layers := strings.Count(c.good("layer", "ls", "-q"), "\n")
	records, err := filepath.Glob(filepath.Join(c.root, "image/vfs/layerdb/sha256/*/tar-split.json.gz"))
	if err != nil || len(records) != layers || layers < 2 {
		t.Fatal(records, layers, err)
	}
	for _, r := range records {
		if err := os.Remove(r); err != nil {
			t.Fatal(err)
		}
	}
	out, _, code := c.do("check", "--full")
	if found := strings.Count(out, "\n  what: "); code != exitCorrupt || found != layers || strings.Count(out, "record-unreadable: ") != layers {
		t.Errorf("exit %d, %d findings of %d layers:\n%s", code, found, layers, out)
	}
}
