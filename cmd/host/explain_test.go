package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
)

func TestInspectSaysInWordsWhatADriverCouldDo(t *testing.T) {
	wasm, err := driverswasm.Load("overlay2")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	module, config := filepath.Join(dir, "mine.wasm"), filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("drivers: {mine: {path: %q, isolation: thread, trust: none, grants: [mount.overlay, setid], limits: {memory: 64MiB, deadline: 5s}}}\n", module)
	for file, data := range map[string][]byte{module: wasm, config: []byte(text)} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCLI(t)
	c.args[1] = config
	out := c.good("driver", "inspect", "--explain", "mine", "vfs")
	section := func(title string) string {
		_, rest, _ := strings.Cut(out, "\n"+title)
		part, _, _ := strings.Cut(rest, "\n\n")
		return part
	}
	for title, want := range map[string][]string{
		"Asked for and given:\n":                       {"mount.overlay: have the host mount"},
		"Asked for and not given; with these it could": {"mknod.whiteout: make character devices 0:0", "xattr.trusted: ", "xattr.user: "},
		"Given and not asked for: take them away:\n":   {"setid: set set-user-id"},
		"Its limits (drivers.mine.limits):\n":          {"memory         64MiB", "deadline       5s"},
		"vfs is vfs ":                                  {"What proves it: ships with bulkhead."},
		"It asks for no grant and has none.\n":         {""},
		"As any driver it can:\n":                      {"its own directory"},
	} {
		part := section(title)
		if part == "" && want[0] != "" {
			t.Errorf("no section %q in\n%s", title, out)
		}
		for _, w := range want {
			if !strings.Contains(part, w) {
				t.Errorf("%q does not say %q:\n%s", title, w, part)
			}
		}
	}
	if strings.Contains(section("Asked for and given:\n"), "xattr") || strings.Contains(section("Asked for and not given"), "mount.overlay") {
		t.Errorf("what is given and what is missing are mixed up:\n%s", out)
	}
	if got := c.good("driver", "inspect", "-f", "{{.Limits.memory}} {{.Module.GrantsMissing}}", "mine"); got != "64MiB [mknod.whiteout xattr.trusted xattr.user]\n" {
		t.Errorf("inspect: %q", got)
	}
	c.bad(exitUsage, "explain", "driver", "inspect", "--explain", "-f", "{{.}}", "mine")
	c.bad(exitFailed, "nothing", "driver", "inspect", "--explain", "nothing")
}
