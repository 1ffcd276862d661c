//go:build fault

package fault

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The power cut is tested itself: what was synced is there, what was not is
// not, by name and by content.
func TestAPowerCutTakesWhatWasNotSyncedAndNothingElse(t *testing.T) {
	for _, on := range []struct{ kind, options string }{{"ext4", settings["ext4"][0]}, {"ext4", settings["ext4"][1]}, {"xfs", settings["xfs"][0]}} {
		t.Run(on.kind+" "+on.options, func(t *testing.T) {
			d := newDisk(t, on.kind, on.options, smallest[on.kind])
			path := func(name string) string { return filepath.Join(d.dir, name) }
			write := func(name, text string, sync bool) {
				t.Helper()
				f, err := os.OpenFile(path(name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
				if err == nil {
					_, err = f.WriteString(text)
				}
				if err == nil && sync {
					err = f.Sync()
				}
				if err = errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
			}
			sync := func(name string) {
				t.Helper()
				f, err := os.Open(path(name))
				if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
					t.Fatal(err)
				}
			}
			write("old", "old", true)
			write("moved", "moved", true)
			write("half", "half", true)
			if err := os.Mkdir(path("dir"), 0o700); err != nil {
				t.Fatal(err)
			}
			sync(".")
			write("synced", "synced", true)
			sync(".")
			// From here on nothing is synced.
			write("lost", "lost", false)
			write("half", "anew", false)
			if err := errors.Join(os.Rename(path("moved"), path("dir/moved")), os.Remove(path("old"))); err != nil {
				t.Fatal(err)
			}
			d.cutPower()
			for name, want := range map[string]string{"old": "old", "moved": "moved", "synced": "synced"} {
				if got, err := os.ReadFile(path(name)); err != nil || string(got) != want {
					t.Errorf("%s, which was synced, holds %q: %v", name, got, err)
				}
			}
			for _, name := range []string{"lost", "dir/moved"} {
				if _, err := os.Lstat(path(name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s, which was not synced, is there: %v", name, err)
				}
			}
			if got, err := os.ReadFile(path("half")); err != nil || string(got) == "anew" {
				t.Errorf("what was written anew and not synced is there: %q %v", got, err)
			}

			// A name that was synced does not bring the content of a file that was not.
			write("named", "content", false)
			sync(".")
			d.cutPower()
			if got, _ := os.ReadFile(path("named")); string(got) == "content" {
				t.Error("the content of a file was kept that was not synced")
			}
		})
	}
}

// A disk that was remounted is read-only, also where somebody had a file open,
// and what was synced is there when it is mounted again.
func TestARemountedDiskIsReadOnly(t *testing.T) {
	for _, open := range []bool{false, true} {
		d := newDisk(t, "ext4", settings["ext4"][0], smallest["ext4"])
		path := filepath.Join(d.dir, "file")
		f, err := os.Create(path)
		if err == nil {
			_, err = f.WriteString("synced")
		}
		dir, derr := os.Open(d.dir)
		if err = errors.Join(err, derr, f.Sync(), dir.Sync(), dir.Close()); err != nil {
			t.Fatal(err)
		}
		if !open {
			f.Close()
		}
		if err := d.remountReadOnly(); err != nil {
			t.Fatal(err)
		}
		if (d.aborted > 0) != open {
			t.Errorf("a file is open: %v, and the journal was ended %d times", open, d.aborted)
		}
		if err := os.WriteFile(filepath.Join(d.dir, "other"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
			t.Errorf("a file is open: %v, and another is made: %v", open, err)
		}
		f.Close()
		d.unmount()
		d.mount()
		if b, err := os.ReadFile(path); string(b) != "synced" {
			t.Errorf("what was synced is %q: %v", b, err)
		}
	}
}
