package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMigrateRefusesWhatIsNoGraphOrUnclear(t *testing.T) {
	c := newCLI(t)
	dir := t.TempDir()
	mkdir := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.bad(exitUsage, "--from-v1", "migrate")
	c.bad(exitFailed, "no directory graph", "migrate", "--from-v1", dir)
	mkdir("image")
	c.bad(exitFailed, "use it as it is", "migrate", "--from-v1", dir)
	mkdir("graph")
	c.bad(exitFailed, "name the driver with --from", "migrate", "--from-v1", dir)
	mkdir("vfs")
	mkdir("aufs")
	c.bad(exitFailed, "choose one with --from (aufs, vfs)", "migrate", "--from-v1", dir)
	c.bad(exitFailed, "no directory of driver btrfs", "migrate", "--from-v1", dir, "--from", "btrfs")
	c.bad(exitFailed, "driver name", "migrate", "--from-v1", dir, "--from", "../graph")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{dir, filepath.Join(dir, "new/root"), filepath.Join(link, "new")} {
		c.bad(exitFailed, "not to be changed", "--root", root, "migrate", "--from-v1", dir)
	}
	// Names say whose images there are.
	if err := os.WriteFile(filepath.Join(dir, "repositories-vfs"), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := c.good("migrate", "--from-v1", dir); out != "0 images migrated from "+dir+", 0 of them verified, 0 were there, 0 names\n" {
		t.Errorf("got %q", out)
	}
}
