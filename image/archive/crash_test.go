package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// The test binary starts itself with these to be killed at a step.
const (
	envCrashAt   = "BULKHEAD_TEST_CRASH_AT"
	envCrashRoot = "BULKHEAD_TEST_CRASH_ROOT"
	envCrashDo   = "BULKHEAD_TEST_CRASH_DO"
)

// TestCrashing is what the child runs; by itself it does nothing.
func TestCrashing(t *testing.T) {
	at := os.Getenv(envCrashAt)
	if at == "" {
		return
	}
	st := steppedStores(t, os.Getenv(envCrashRoot), func(name string) {
		if name == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if err := crashActions[os.Getenv(envCrashDo)](t, st); err != nil {
		t.Fatal(err)
	}
}

type crashAction = func(testing.TB, archive.Stores) error

// crashActions are what is interrupted. Each works on a root with the image
// of crashBase under base:1.
var crashActions = map[string]crashAction{
	"load": func(t testing.TB, st archive.Stores) error {
		_, err := load(t, st, crashArchive(t))
		return err
	},
	"remove": func(t testing.TB, st archive.Stores) error {
		_, err := st.Images.Remove(context.Background(), "base:1", image.RemoveOptions{})
		return err
	},
	"tag": func(t testing.TB, st archive.Stores) error {
		_, err := st.Images.Tag(context.Background(), crashBase(t).id(), "again:1")
		return err
	},
	"set parent": func(t testing.TB, st archive.Stores) error {
		if _, err := load(t, st, crashArchive(t)); err != nil {
			return err
		}
		return st.Images.SetParent(context.Background(), crashNew(t).id(), crashBase(t).id())
	},
}

func crashBase(t testing.TB) sample { return newSample(t, "base") }
func crashNew(t testing.TB) sample  { return newSample(t, "base", "new") }

func crashArchive(t testing.TB) string {
	return writeArchive(t, makeTar(t, dockerFiles(t, crashNew(t), "new:1", "new:2")...))
}

func crashRoot(t *testing.T) string {
	root := t.TempDir()
	if _, err := load(t, stores(t, root), writeArchive(t, makeTar(t, dockerFiles(t, crashBase(t), "base:1")...))); err != nil {
		t.Fatal(err)
	}
	return root
}

// crash lets a child be killed at each step of an action in turn, and calls
// check on what it leaves.
func crash(t *testing.T, do string, check func(t *testing.T, root string)) {
	var steps []string
	st := steppedStores(t, crashRoot(t), func(name string) { steps = append(steps, name) })
	if err := crashActions[do](t, st); err != nil {
		t.Fatal(err)
	}
	own := 0
	seen := map[string]bool{}
	for _, step := range steps {
		if seen[step] {
			continue
		}
		seen[step] = true
		if strings.HasPrefix(step, "image: ") {
			own++
		}
		t.Run(step, func(t *testing.T) {
			root := crashRoot(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashing$")
			cmd.Env = append(os.Environ(), envCrashAt+"="+step, envCrashRoot+"="+root, envCrashDo+"="+do, "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			check(t, root)
			wantNoRemains(t, root)
		})
	}
	if own == 0 {
		t.Errorf("%s has no step of its own: %v", do, steps)
	}
}

// whole fails unless each image that is there can be read in full.
func whole(t *testing.T, st archive.Stores) {
	t.Helper()
	for id, err := range st.Images.Broken() {
		t.Errorf("image %s: %v", id, err)
	}
	for id := range st.Images.Map() {
		if err := st.Images.Verify(context.Background(), id, nil); err != nil {
			t.Error(err)
		}
	}
	for _, a := range st.Images.Refs().All() {
		if _, err := st.Images.Get(image.ID(a.ID)); err != nil {
			t.Errorf("%s: %v", a.Ref, err)
		}
	}
}

// wantNoRemains fails if half written files, or layers that no image has,
// outlive the next opening.
func wantNoRemains(t *testing.T, root string) {
	t.Helper()
	st := stores(t, root)
	used := map[layer.ChainID]bool{}
	for _, img := range st.Images.Map() {
		for _, chain := range img.Chain() {
			used[chain] = true
		}
	}
	for chain := range st.Layers.Map() {
		if !used[chain] {
			t.Errorf("layer %s belongs to no image", chain)
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "image"), func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), "tmp-") {
			err = fmt.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestImageIsWholeOrAbsentWhereverLoadingIsKilled(t *testing.T) {
	crash(t, "load", func(t *testing.T, root string) {
		st := stores(t, root)
		whole(t, st)
		if n := len(st.Images.References(crashNew(t).id())); n != 0 && n != 2 {
			t.Errorf("%d of 2 names are there", n)
		}
		if _, err := load(t, st, crashArchive(t)); err != nil {
			t.Errorf("loading again: %v", err)
		}
		wantImage(t, root, crashNew(t), "new:1", "new:2")
		wantImage(t, root, crashBase(t), "base:1")
	})
}

func TestImageIsWholeOrAbsentWhereverRemovalIsKilled(t *testing.T) {
	crash(t, "remove", func(t *testing.T, root string) {
		st := stores(t, root)
		whole(t, st)
		if _, err := st.Images.Get(crashBase(t).id()); err != nil {
			return
		}
		if _, err := st.Images.Remove(context.Background(), crashBase(t).id().String(), image.RemoveOptions{}); err != nil {
			t.Errorf("removing again: %v", err)
		}
		wantNothing(t, root)
	})
}

func TestNamesAndParentsSurviveKilling(t *testing.T) {
	for _, do := range []string{"tag", "set parent"} {
		crash(t, do, func(t *testing.T, root string) {
			st := stores(t, root)
			whole(t, st)
			if err := crashActions[do](t, st); err != nil {
				t.Errorf("again: %v", err)
			}
			wantImageNamed(t, st, "base:1", crashBase(t))
		})
	}
}

func wantImageNamed(t *testing.T, st archive.Stores, name string, s sample) {
	t.Helper()
	if id, err := st.Images.Resolve(name); err != nil || id != s.id() {
		t.Errorf("%s is %s (%v)", name, id, err)
	}
}
