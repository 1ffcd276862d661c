//go:build fault

package fault

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The power cut is tested itself: what was synced is there, what was not is
// not, by name and by content.
func TestAPowerCutTakesWhatWasNotSyncedAndNothingElse(t *testing.T) {
	for _, on := range settings {
		t.Run(on.options, func(t *testing.T) {
			d := newDisk(t, on.kind, on.options, 32<<20)
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
