package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/layer/rootlock"
)

func TestCommandLinesThatAreNotUnderstoodAreExitTwo(t *testing.T) {
	c := newCLI(t)
	for text, args := range map[string][]string{
		`unknown command "imag" for "bulkhead", did you mean "image"?`: {"imag"},
		`unknown command "lst" for "bulkhead image"`:                   {"image", "lst"},
		"unknown flag: --nothing":                                      {"image", "ls", "--nothing"},
		"requires at least 1 arg":                                      {"image", "save"},
		"accepts 2 arg":                                                {"image", "tag", "one"},
		"accepts at most 1 arg":                                        {"image", "ls", "one", "two"},
		`unknown format "rar"`:                                         {"image", "save", "--format", "rar", "app"},
		"format: template":                                             {"image", "ls", "--format", "{{"},
		`format "xml"`:                                                 {"config", "show", "--format", "xml"},
		`invalid argument "soon"`:                                      {"image", "ls", "--lock-timeout", "soon"},
	} {
		c.bad(exitUsage, text, args...)
	}
	if out := c.good(); !strings.Contains(out, "Available Commands") {
		t.Errorf("no help: %q", out)
	}
}

func TestConfigurationIsShownAndChecked(t *testing.T) {
	c := newCLI(t)
	if out := c.good("config", "show", "--origin"); !strings.Contains(out, "flag --root") || !strings.Contains(out, "file "+c.args[1]) {
		t.Errorf("config show --origin:\n%s", out)
	}
	if out := c.good("config", "show"); !strings.Contains(out, "root: "+c.root+"\n") {
		t.Errorf("config show:\n%s", out)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("drivr: vfs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.bad(exitFailed, bad+`: unknown key "drivr" (did you mean "driver"?)`, "config", "check", bad)
	c.bad(exitFailed, "unknown key", "--config", bad, "image", "ls")
	if out := c.good("config", "check", c.args[1]); out != c.args[1]+": ok\n" {
		t.Errorf("config check: %q", out)
	}
	if err := os.WriteFile(bad, []byte("drivers: {image: {isolation: thread}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.bad(exitFailed, "reserved", "config", "check", bad)
}

func TestDriversAreListedAndInspected(t *testing.T) {
	c := newCLI(t)
	if out := c.good("driver", "ls", "--format", "{{.Name}} {{.Source}}"); !strings.Contains(out, "vfs embedded\n") {
		t.Errorf("driver ls: %q", out)
	}
	if out := c.good("driver", "inspect", "-f", "{{.Name}} {{.Module.DiskFormat}} {{len .SHA256}}", "vfs"); out != "vfs 1 64\n" {
		t.Errorf("driver inspect: %q", out)
	}
	c.bad(exitFailed, `driver "nothing" is not embedded`, "driver", "inspect", "nothing")
	c.bad(exitFailed, `driver "nothing" is not known (known: overlay2, vfs`, "--driver", "nothing", "image", "load", "-i", "/dev/null")
}

func TestDriverThatDoesNotShipRunsInProcessesUnlessAskedFor(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	wasm := filepath.Join(t.TempDir(), "mine.wasm")
	data, err := driverswasm.Load("vfs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wasm, data, 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	write := func(isolation string) {
		text := "cache-dir: " + testCache() + "\ndrivers: {mine: {path: " + wasm + isolation + "}}\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.args[1] = config
	write("")
	c.bad(exitFailed, "trust: none", "--driver", "mine", "image", "load", "-i", path)
	write(", trust: none")
	if out := c.good("driver", "inspect", "-f", "{{.Isolation}} {{.Module.DiskFormat}} {{.LocksMissing}}", "mine"); out != "process 1 []\n" {
		t.Errorf("inspect: %q", out)
	}
	if out := c.good("--driver", "mine", "image", "load", "-i", path); out != "Loaded image: app:1\n" {
		t.Errorf("load: %q", out)
	}
	c.good("--driver", "mine", "image", "verify")
	write(", isolation: thread, trust: none")
	if out := c.good("driver", "inspect", "-f", "{{.Isolation}}", "mine"); out != "thread\n" {
		t.Errorf("inspect: %q", out)
	}
	c.bad(exitFailed, "--driver mine", "image", "verify")
	c.good("--driver", "mine", "image", "verify")
}

func TestRootInUseIsWaitedForAndNamed(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	lock, err := rootlock.Acquire(context.Background(), c.root, "vfs", rootlock.Write, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.bad(exitFailed, "--lock-timeout", "--lock-timeout", "50ms", "image", "tag", "app:1", "b:1")
	c.good("image", "ls")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	c.good("image", "tag", "app:1", "b:1")
}

func TestInterruptedLoadLeavesNothing(t *testing.T) {
	c := newCLI(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var errs strings.Builder
	done := make(chan int)
	go func() {
		done <- run(ctx, append(c.args, "image", "load"), environment{in: r, out: &strings.Builder{}, err: &errs, runtime: compiled})
	}()
	if _, err := w.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if code := <-done; code != exitFailed || errs.String() != "bulkhead: interrupted; nothing was left half done\n" {
		t.Errorf("exit %d: %q", code, errs.String())
	}
	if out := c.good("image", "ls", "-q"); out != "" {
		t.Errorf("left behind: %q", out)
	}
}
