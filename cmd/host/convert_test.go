package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
)

// withMine configures vfs once more as a driver that does not ship.
func withMine(t *testing.T) *cli {
	t.Helper()
	c := newCLI(t)
	wasm, err := driverswasm.Load("vfs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	module, config := filepath.Join(dir, "mine.wasm"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(module, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(c.args[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, fmt.Appendf(old, "drivers: {mine: {path: %q, isolation: thread, trust: none}}\n", module), 0o600); err != nil {
		t.Fatal(err)
	}
	c.args[1] = config
	return c
}

func TestConvertMakesTheOtherDriverTheRootsOwn(t *testing.T) {
	c := withMine(t)
	one, oneID := c.archive("one:1", "one")
	c.good("--driver", "mine", "image", "load", "-q", "-i", one)
	saved := c.good("--driver", "mine", "image", "save", "one:1")
	c.bad(exitUsage, "--to", "convert")
	c.bad(exitFailed, "both mine", "convert", "--from", "mine", "--to", "mine")
	c.bad(exitFailed, "overlay2 has no images", "convert", "--from", "overlay2", "--to", "vfs")
	c.bad(exitFailed, "not known", "convert", "--to", "nonsense")

	out := c.good("convert", "--to", "vfs")
	if !strings.Contains(out, "Converted: "+oneID[len("sha256:"):][:12]) || !strings.Contains(out, "vfs is now the driver") {
		t.Errorf("got %q", out)
	}
	if got := c.good("image", "save", "one:1"); got != saved {
		t.Error("another archive comes out")
	}
	if got := c.good("image", "inspect", "--format", "{{.GraphDriver.Name}}", "one:1"); got != "vfs\n" {
		t.Errorf("driver %q", got)
	}
	c.good("check", "--full")
	// What is written to again is not given up.
	two, _ := c.archive("two:1", "two")
	c.good("--driver", "mine", "image", "load", "-q", "-i", two)
	c.bad(exitFailed, "--driver", "image", "ls")
	if out := c.good("convert", "--from", "mine", "--to", "vfs", "-q"); out != "" {
		t.Errorf("quiet: %q", out)
	}
	if got := c.good("image", "ls", "--format", "{{.Repository}}"); got != "one\ntwo\n" && got != "two\none\n" {
		t.Errorf("got %q", got)
	}
	// A driver that does not ship is not taken because a root says so.
	c.good("convert", "--from", "vfs", "--to", "mine")
	c.bad(exitFailed, "does not ship", "image", "ls")
	c.good("--driver", "mine", "image", "ls")
}

func TestConvertTellsWhatStaysAndGivesNothingUp(t *testing.T) {
	c := withMine(t)
	one, _ := c.archive("one:1", "one")
	c.good("--driver", "mine", "image", "load", "-q", "-i", one)
	c.good("--driver", "mine", "layer", "create", "--parent", "one:1", "box")
	c.bad(exitFailed, "container box", "convert", "--to", "vfs")
	if _, err := os.Stat(filepath.Join(c.root, "bulkhead", "mine", "converted.json")); err == nil {
		t.Error("the old driver is given up, with a container in it")
	}
}

func TestANameGivenInTheOldDriversStoresKeepsThem(t *testing.T) {
	c := withMine(t)
	one, _ := c.archive("one:1", "one")
	c.good("--driver", "mine", "image", "load", "-q", "-i", one)
	if out := c.good("--driver", "mine", "convert", "--to", "vfs"); !strings.Contains(out, "driver is set to mine") {
		t.Errorf("the driver that is set was not told: %q", out)
	}
	c.good("--driver", "mine", "image", "tag", "one:1", "more:1")
	c.good("--driver", "vfs", "gc")
	if out := c.good("--driver", "mine", "image", "ls", "-q", "more:1"); out == "" {
		t.Error("the name is gone")
	}
}

func TestGCRemovesNothingFromWhatIsMountedInTheOldDriversStores(t *testing.T) {
	c := withMine(t)
	one, _ := c.archive("one:1", "one")
	c.good("--driver", "mine", "image", "load", "-q", "-i", one)
	c.good("convert", "-q", "--to", "vfs")
	precious := t.TempDir()
	if err := os.WriteFile(filepath.Join(precious, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"mine", "mine/dir"} {
		on := filepath.Join(c.root, at)
		if err := unix.Mount(precious, on, "", unix.MS_BIND, ""); errors.Is(err, unix.EPERM) {
			t.Skip("mounting takes root: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		out, errs, code := c.do("gc")
		if err := unix.Unmount(on, 0); err != nil {
			t.Fatal(err)
		}
		if code != exitOK || !strings.Contains(out, "mounted on "+on) {
			t.Errorf("%s: exit %d: %s%s", at, code, out, errs)
		}
		if _, err := os.Stat(filepath.Join(precious, "file")); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	c.good("gc")
	if _, err := os.Lstat(filepath.Join(c.root, "mine")); err == nil {
		t.Error("it is still there")
	}
}

func TestGCTakesTheOldDriversStoresOnceNothingNeedsThem(t *testing.T) {
	c := withMine(t)
	one, _ := c.archive("one:1", "one")
	c.good("--driver", "mine", "image", "load", "-q", "-i", one)
	c.good("convert", "-q", "--to", "vfs")
	dirs := []string{"mine", "image/mine", "bulkhead/mine"}
	there := func() (n int) {
		for _, d := range dirs {
			if _, err := os.Lstat(filepath.Join(c.root, d)); err == nil {
				n++
			}
		}
		return n
	}
	if out := c.good("gc", "--dry-run"); strings.Count(out, "driver ") != len(dirs) || there() != len(dirs) {
		t.Errorf("dry: %q, %d are there", out, there())
	}
	c.good("image", "rm", "one:1")
	if out := c.good("gc"); !strings.Contains(out, "kept: what driver mine keeps: image ") || there() != len(dirs) {
		t.Errorf("an image that is only there: %q, %d are there", out, there())
	}
	c.good("convert", "-q", "--from", "mine", "--to", "vfs")
	// What a gc that was killed left is gone after the next.
	if err := os.Rename(filepath.Join(c.root, "image/mine"), filepath.Join(c.root, "bulkhead/mine/leaving")); err != nil {
		t.Fatal(err)
	}
	if out := c.good("gc"); !strings.Contains(out, "bulkhead/mine") || there() != 0 {
		t.Errorf("got %q, %d are there", out, there())
	}
	if out := c.good("image", "ls", "--format", "{{.Repository}}"); out != "one\n" {
		t.Errorf("left: %q", out)
	}
	c.good("check", "--full")
	if out := c.good("gc"); strings.Contains(out, "mine") {
		t.Errorf("again: %q", out)
	}
}
