package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// mounting is the program on a root with one image, where it may mount.
func mounting(t *testing.T) (c *cli, id string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	c, id = onVFS(t)
	run := t.TempDir()
	t.Setenv("BULKHEAD_RUN_DIR", run)
	t.Cleanup(func() {
		targets, _ := filepath.Glob(filepath.Join(run, "*/trees/*"))
		for _, target := range append(targets, c.root+"-here", c.root+"-there") {
			syscall.Unmount(target, syscall.MNT_DETACH)
		}
	})
	return c, id
}

func (c *cli) dir(suffix string) string {
	c.Helper()
	dir := c.root + suffix
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.Fatal(err)
	}
	return dir
}

func TestMountsAreListedAndUnmountedByWhatTheyAre(t *testing.T) {
	c, id := mounting(t)
	chain := strings.TrimSpace(c.good("layer", "ls", "-q"))
	if out := c.good("mount"); out != "TARGET    KIND      WHAT      MODE\n" {
		t.Errorf("nothing is listed as %q", out)
	}
	made := strings.TrimSpace(c.good("mount", "app:1"))
	if text, err := os.ReadFile(filepath.Join(made, "etc/hello")); err != nil || string(text) != "hello" {
		t.Errorf("the image shows %q: %v", text, err)
	}
	here, there := c.dir("-here"), c.dir("-there")
	c.good("layer", "create", "--parent", "app:1", "work")
	c.good("mount", "work", here)
	c.good("mount", "--read-only", "work", there)
	if err := os.WriteFile(filepath.Join(here, "new"), nil, 0o600); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(there, "more"), nil, 0o600); err == nil {
		t.Error("what was mounted to be read is written to")
	}
	var rows []map[string]string
	for line := range strings.Lines(c.good("mount", "--format", "json")) {
		var row map[string]string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if len(rows) != 3 {
		t.Fatalf("listed are %v", rows)
	}
	for _, want := range []map[string]string{
		{"Target": made, "Kind": "image", "What": "app:1", "Mode": "ro"},
		{"Target": here, "Kind": "container", "What": "work", "Mode": "rw"}, {"Target": there, "Kind": "container", "What": "work", "Mode": "ro"},
	} {
		found := false
		for _, row := range rows {
			same := row["ID"] != "" && row["Driver"] == "vfs"
			for key, value := range want {
				same = same && row[key] == value
			}
			found = found || same
		}
		if !found {
			t.Errorf("%v is not among %v", want, rows)
		}
	}
	if out := c.good("layer", "ls", "--rw", "--format", "{{.Mounted}}"); out != here+","+there+"\n" {
		t.Errorf("ls --rw: %q", out)
	}
	c.bad(exitFailed, "mounted on "+here, "layer", "rm", "work")
	c.bad(exitFailed, "not empty", "mount", "app:1", filepath.Dir(c.root))
	c.bad(exitFailed, "mount", "mount", "app:1", here)
	c.good("umount", "work")
	c.good("layer", "rm", "work")
	c.bad(exitFailed, "is mounted on "+made, "image", "rm", "app:1")
	c.bad(exitFailed, "is mounted on "+made, "image", "rm", "--force", id)
	c.good("umount", chain)
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Errorf("the directory that was made is left: %v", err)
	}
	c.good("image", "rm", "app:1")
}

func TestANameThatMayBeSeveralMountsIsNotUnmounted(t *testing.T) {
	c, _ := mounting(t)
	c.good("image", "tag", "app:1", "work")
	c.good("layer", "create", "--parent", "app:1", "work")
	here := c.dir("-here")
	made := strings.TrimSpace(c.good("mount", "app:1"))
	c.good("mount", "work", here)
	c.bad(exitFailed, `"work" may be the container work (`+here+`) or the image app:1 (`+made+`): name the target`, "umount", "work")
	c.good("umount", here)
	c.good("umount", "work") // the image alone now
	c.bad(exitFailed, `unmount "work": not mounted`, "umount", "work")
	t.Chdir(filepath.Dir(here))
	c.good("mount", "app:1", filepath.Base(here))
	c.good("umount", filepath.Base(here))
	c.bad(exitFailed, "not mounted", "umount", "./"+filepath.Base(here))
	c.bad(exitFailed, "umount(8)", "umount", "/proc")
}

func TestWhatIsInUseIsUnmountedLazily(t *testing.T) {
	c, _ := mounting(t)
	made := strings.TrimSpace(c.good("mount", "app:1"))
	f, err := os.Open(filepath.Join(made, "etc/hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c.bad(exitFailed, "in use", "umount", "app:1")
	c.good("umount", "--lazy", "app:1")
	if out := c.good("mount", "--format", "{{.Target}}"); out != "" {
		t.Errorf("mounted is %q", out)
	}
	text := make([]byte, 5)
	if _, err := f.Read(text); err != nil || string(text) != "hello" {
		t.Errorf("who uses it reads %q: %v", text, err)
	}
}

func TestWhatCannotBeMountedIsSaid(t *testing.T) {
	c, _ := mounting(t)
	c.bad(exitFailed, "no such image, layer or container's layer: none", "mount", "none")
	c.bad(exitFailed, "no such file", "mount", "app:1", c.root+"-none")
	c.bad(exitUsage, "--format is for the list", "mount", "--format", "json", "app:1")
	c.bad(exitUsage, "--verify", "mount", "--verify", "some", "app:1")
	c.bad(exitUsage, "accepts at most 2 arg", "mount", "a", "b", "c")
	c.bad(exitUsage, "at least 1 arg", "umount")
	c.bad(exitUsage, "no entry for key", "mount", "--format", "{{.None}}")
	if out := c.good("mount", "--format", "{{.Target}}"); out != "" {
		t.Errorf("mounted is %q", out)
	}
}
