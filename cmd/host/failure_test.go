package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	c.good("image", "tag", "app:1", "app:2")
	for _, args := range [][]string{
		{"image", "ls"}, {"image", "ls", "-q"}, {"image", "inspect", "app:1"}, {"image", "history", "app:1"}, {"image", "verify"},
		{"image", "save", "app:1"}, {"image", "load", "-i", path}, {"image", "rm", "app:2"},
		{"layer", "ls"}, {"layer", "verify"}, {"driver", "ls"}, {"config", "show"}, {"config", "show", "--origin"}, {"version"},
	} {
		var errs strings.Builder
		code := run(context.Background(), append(c.args[:len(c.args):len(c.args)], args...), environment{in: io.NopCloser(strings.NewReader("")), out: full{}, err: &errs, runtime: compiled})
		if code != exitFailed || errs.String() != "bulkhead: no space left on device\n" {
			t.Errorf("%v: exit %d: %q", args, code, errs.String())
		}
	}
}

func TestRootThatIsNoneIsRefused(t *testing.T) {
	c := newCLI(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, _ := c.archive("app:1", "hello")
	for _, args := range [][]string{{"image", "ls"}, {"image", "load", "-i", path}, {"image", "verify"}, {"image", "rm", "app:1"}} {
		c.bad(exitFailed, file+" is not a directory: name another with --root", append([]string{"--root", file}, args...)...)
	}
	c.bad(exitFailed, "does not exist: name the root", "image", "rm", "app:1")
	c.bad(exitFailed, "does not exist: name the root", "image", "tag", "app:1", "app:2")
	if out := c.good("image", "verify"); out != "" {
		t.Errorf("nothing verified as %q", out)
	}
	if _, err := os.Stat(c.root); err == nil {
		t.Error("the root was made")
	}
}

func TestDriverThatIsNoneIsRefused(t *testing.T) {
	c := newCLI(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	c.args[1] = config
	for text, want := range map[string]string{
		"drivers: {mine: {}}":                       "drivers.mine has no path, and no driver of that name ships with this binary (it has overlay2, vfs",
		"drivers: {mine: }":                         "drivers.mine has no path",
		"drivers: {mine: {isolation: thread}}":      "drivers.mine has no path",
		"drivers: {volumes: {path: /x}}":            "reserved",
		"drivers: {vfs: {isolation: none}}":         `drivers.vfs.isolation "none": use process or thread`,
		"drivers: {vfs: {grants: [root]}}":          `drivers.vfs.grants "root": use chown`,
		"drivers: {vfs: {trust: all}}":              `drivers.vfs.trust "all": use none, or sha256 or keys`,
		"drivers: {vfs: {sha256: abc}}":             `drivers.vfs.sha256 "abc" is not a SHA-256 digest`,
		"drivers: {vfs: {signature: /x}}":           "proves nothing without keys",
		"drivers: {vfs: {limits: {deadline: -1s}}}": "drivers.vfs.limits.deadline -1s",
		"drivers: {vfs: {limits: {memory: 1KiB}}}":  "drivers.vfs.limits.memory 1KiB: use 0 for the default, or 64KiB to 4GiB",
	} {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.bad(exitFailed, want, "image", "ls")
		c.bad(exitFailed, want, "config", "check", config)
	}
	if err := os.WriteFile(config, []byte("drivers: {vfs: {}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.good("image", "ls")
	c.bad(exitFailed, `driver "mine" is not known (known: overlay2, vfs`, "--driver", "mine", "image", "ls")
	c.bad(exitFailed, `driver "mine" is not known (known: overlay2, vfs`, "--driver", "mine", "image", "load")
}

// Archives, registries and stores have their say in errors.
func TestAnErrorCannotSteerATerminal(t *testing.T) {
	var out strings.Builder
	report(context.Background(), &out, errors.New("a\x1b[31m\rb\u009b2J\tc\nd\x7f"))
	if got, want := out.String(), "bulkhead: a?[31m?b?2J\tc\nbulkhead: d?\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFlagWithAValueThatCannotBeIsExitTwo(t *testing.T) {
	c := newCLI(t)
	for text, args := range map[string][]string{
		"lock-timeout -1s: use 0 for no wait": {"--lock-timeout", "-1s"},
		`log-level "loud": use debug`:         {"--log-level", "loud"},
		`log-format "xml": use text or json`:  {"--log-format", "xml"},
		"root is not set":                     {"--root", ""},
	} {
		c.bad(exitUsage, text, append(args, "image", "ls")...)
	}
	t.Setenv("BULKHEAD_LOG_LEVEL", "loud")
	c.bad(exitFailed, `log-level "loud"`, "image", "ls")
}

func TestHelpAndVersionAreToldWithoutConfiguration(t *testing.T) {
	c := newCLI(t)
	c.args = []string{"--config", "/nonexistent.yaml"}
	if out := c.good("--version"); out != "bulkhead "+version+"\n" {
		t.Errorf("--version: %q", out)
	}
	for _, args := range [][]string{{"help"}, {"help", "image", "load"}, {"image", "load", "--help"}} {
		if out := c.good(args...); !strings.Contains(out, "Usage:") {
			t.Errorf("%v: %q", args, out)
		}
	}
	c.bad(exitUsage, `unknown command "nothing" for "bulkhead image"`, "help", "image", "nothing")
}

func TestArchiveThatIsNotWhatItPromisesIsRefusedAndStoredDataIsBlameless(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.tar")
	text := strings.Replace(string(data), "\x00hello\x00", "\x00hullo\x00", 1) // the content of the file in the layer
	if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.bad(exitFailed, "and not the expected sha256:", "image", "load", "-i", bad)
	if out := c.good("layer", "ls", "-q"); out != "" {
		t.Errorf("layers are left: %q", out)
	}
}

func TestSavingWhereNothingCanBeSavedNamesThePlace(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	for _, format := range []string{"docker-archive", "oci-archive", "oci-dir"} {
		c.bad(exitFailed, "save to /nonexistent/out: no such file or directory", "image", "save", "--format", format, "-o", "/nonexistent/out", "app:1")
	}
	c.bad(exitFailed, "is a directory", "image", "save", "-o", t.TempDir(), "app:1")
	c.bad(exitFailed, "exists", "image", "save", "--format", "oci-dir", "-o", path, "app:1")
}

func TestWaitForANamedPipeCanBeInterrupted(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"image", "load", "-i", pipe}, {"image", "save", "-o", pipe, "app:1"}} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(300*time.Millisecond, cancel)
		var errs strings.Builder
		code := run(ctx, append(c.args[:len(c.args):len(c.args)], args...), environment{in: os.Stdin, out: io.Discard, err: &errs, runtime: compiled})
		if code != exitFailed || errs.String() != "bulkhead: interrupted; nothing was left half done\n" {
			t.Errorf("%v: exit %d: %q", args, code, errs.String())
		}
	}
}
