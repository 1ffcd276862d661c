package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildLiar compiles a driver that lies when it is asked to repair.
func buildLiar(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "liar.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, ".")
	cmd.Dir = "testdata/liar"
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}

// loadedByLiar is a root with an image, of the driver that lies; do are the
// flags that name it.
func loadedByLiar(t *testing.T, archive string) (whole *cli, do []string) {
	t.Helper()
	loadedWhole(t, "overlay2", archive) // overlay can be used here, or this is skipped
	whole = newCLI(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf("drivers: {liar: {path: %q, trust: none, isolation: thread, grants: [mount.overlay, mknod.whiteout, xattr.trusted, xattr.user]}}\n", buildLiar(t))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	whole.args[1] = config
	do = []string{"--driver", "liar"}
	whole.good(append(do, "image", "load", "-q", "-i", archive)...)
	return whole, do
}

// A driver says that it has put right what it notes, and has not, or has done
// harm: the repair is refused, and what the layers hold is there afterwards.
func TestARepairByADriverThatLiesLosesNothing(t *testing.T) {
	archive := richArchive(t)
	whole, do := loadedByLiar(t, archive)
	saved := whole.good(append(do, "image", "save", "app:1")...)
	for _, lie := range []string{"nothing", "empties", "alters", "adds", "empties the parent", "moves away", "removes", "points elsewhere"} {
		t.Run(lie, func(t *testing.T) {
			c := copyOf(t, whole)
			c.args[1] = whole.args[1]
			s := findStored(t, c.root, "liar")
			home := filepath.Join(c.root, "liar")
			s.must(os.Remove(filepath.Join(home, s.topID, "link")))
			s.write(filepath.Join(home, "lie"), lie)
			out, errs, code := c.do(append(do, "check", "--repair")...)
			if code != exitCorrupt || !strings.Contains(out, "left: ") {
				t.Errorf("exit %d, %s%s", code, out, errs)
			}
			c.bad(exitCorrupt, "finding", append(do, "check", "--full")...)
			s.must(os.Remove(filepath.Join(home, "lie")))
			if out, errs, code := c.do(append(do, "check", "--repair")...); code != exitOK {
				t.Fatalf("when it tells the truth again: exit %d, %s%s", code, out, errs)
			}
			c.good(append(do, "check", "--full")...)
			if c.good(append(do, "image", "save", "app:1")...) != saved {
				t.Error("another image is saved")
			}
		})
	}
}

// A tree was exchanged for one of the archive, and then the driver turns out not
// to have done what it said.
func TestWhatWasReplacedIsKeptWhenTheRepairFailsAfterThat(t *testing.T) {
	archive := richArchive(t)
	c, do := loadedByLiar(t, archive)
	s := findStored(t, c.root, "liar")
	home := filepath.Join(c.root, "liar")
	s.must(os.Remove(filepath.Join(home, s.topID, "link")))
	s.write(filepath.Join(home, s.topID, "diff/d/f"), "damaged")
	s.write(filepath.Join(home, "lie"), "nothing")
	c.bad(exitCorrupt, "finding", append(do, "check", "--repair", "--from", archive)...)
	kept, err := filepath.Glob(filepath.Join(c.root, "bulkhead/liar/undo/*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	if got := s.read(filepath.Join(home, filepath.Base(kept[0]), "diff/d/f")); got != "damaged" {
		t.Errorf("what was replaced has %q", got)
	}
	s.must(os.Remove(filepath.Join(home, "lie")))
	c.good(append(do, "check", "--repair")...)
	c.good(append(do, "check", "--full")...)
}

// A repair was interrupted when it had noted what it was about to put aside.
func TestARepairThatWasInterruptedBeforeItPutATreeAsideIsMadeAgain(t *testing.T) {
	archive := richArchive(t)
	c := loadedWhole(t, "vfs", archive)
	s := findStored(t, c.root, "vfs")
	s.must(os.RemoveAll(s.topDir))
	s.write(s.topDir, "no tree")
	s.write(filepath.Join(c.root, "bulkhead/vfs/undo", s.topID, "what"), "what a repair replaced\n")
	c.good("--driver", "vfs", "check", "--repair", "--from", archive)
	c.good("--driver", "vfs", "check", "--full")
	freed(t, c, "vfs")
	c.good("--driver", "vfs", "check", "--full")
}
