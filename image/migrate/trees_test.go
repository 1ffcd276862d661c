package migrate_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image/migrate"
)

func TestTreesReadWhereTheDriversOfThatTimeKeptFiles(t *testing.T) {
	for driver, path := range map[string]string{"aufs": "diff/ID", "btrfs": "subvolumes/ID", "overlay": "ID/root", "vfs": "dir/ID"} {
		root := t.TempDir()
		dir := filepath.Join(root, driver, filepath.Dir(path), filepath.Base(path))
		if filepath.Base(path) == "ID" {
			dir = filepath.Join(filepath.Dir(dir), id("a"))
		} else {
			dir = filepath.Join(root, driver, id("a"), "root")
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "etc"), 0o755), os.WriteFile(filepath.Join(dir, "etc/file"), []byte("content"), 0o600)); err != nil {
			t.Fatal(err)
		}
		d, err := migrate.Trees(root, driver)
		if err != nil {
			t.Fatal(err)
		}
		if there, err := d.Exists(t.Context(), id("a")); err != nil || !there {
			t.Errorf("%s: %v (%v)", driver, there, err)
		}
		if there, err := d.Exists(t.Context(), id("b")); err != nil || there {
			t.Errorf("%s: %v (%v)", driver, there, err)
		}
		files, err := d.DiffGetter(t.Context(), id("a"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := files.Get("./etc/file")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close(), files.Close()); err != nil || string(data) != "content" {
			t.Errorf("%s: %q (%v)", driver, data, err)
		}
		if _, err := d.Diff(t.Context(), id("a"), ""); !errors.Is(err, graphdriver.ErrNotSupported) {
			t.Errorf("%s: %v", driver, err)
		}
	}
}

func TestTreesFollowNothingOutOfALayer(t *testing.T) {
	root := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	dir := filepath.Join(root, "aufs/diff", id("a"))
	if err := errors.Join(os.WriteFile(secret, nil, 0o600), os.MkdirAll(dir, 0o755),
		os.Symlink(secret, filepath.Join(dir, "link")), os.Symlink(filepath.Dir(secret), filepath.Join(dir, "up")),
		os.Symlink(filepath.Dir(secret), filepath.Join(root, "aufs/diff", id("b")))); err != nil {
		t.Fatal(err)
	}
	d, err := migrate.Trees(root, "aufs")
	if err != nil {
		t.Fatal(err)
	}
	if there, err := d.Exists(t.Context(), id("b")); err != nil || there {
		t.Errorf("a link is a layer (%v)", err)
	}
	if _, err := d.DiffGetter(t.Context(), id("b")); !errors.Is(err, graphdriver.ErrNotFound) {
		t.Errorf("a link is opened: %v", err)
	}
	files, err := d.DiffGetter(t.Context(), id("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	for _, name := range []string{"link", "up/secret", "../../../" + secret, secret, "."} {
		if f, err := files.Get(name); err == nil {
			t.Errorf("%s was opened", name)
			f.Close()
		}
	}
}

func TestDriversWhoseLayersAreNoFilesAreRefusedWithTheWayOut(t *testing.T) {
	for _, driver := range []string{"devicemapper", "zfs", "nonsense"} {
		if _, err := migrate.Trees(t.TempDir(), driver); !errors.Is(err, migrate.ErrNoDriver) {
			t.Errorf("%s: %v", driver, err)
		}
	}
}
