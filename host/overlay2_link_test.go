package host_test

import (
	"os"
	"path/filepath"
	"testing"
)

// A power cut keeps the symlink and not the file that names it, where the file
// had not been synced yet.
func TestALayerThatLostItsShortNamesFileIsRemovedWithItsShortName(t *testing.T) {
	for name, lose := range map[string]func(file string) error{
		"gone":  os.Remove,
		"empty": func(file string) error { return os.Truncate(file, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			d := overlays(t, root)
			fillLayer(t, d, "kept", "")
			fillLayer(t, d, "half", "kept")
			links := func() int {
				t.Helper()
				all, err := filepath.Glob(filepath.Join(root, "overlay2/l/*"))
				if err != nil {
					t.Fatal(err)
				}
				return len(all)
			}
			if n := links(); n != 2 {
				t.Fatalf("%d short names of two layers", n)
			}
			if err := lose(filepath.Join(root, "overlay2/half/link")); err != nil {
				t.Fatal(err)
			}
			if err := d.Remove(t.Context(), "half"); err != nil {
				t.Fatal(err)
			}
			if n := links(); n != 1 {
				t.Errorf("%d short names are left of one layer", n)
			}
		})
	}
}
