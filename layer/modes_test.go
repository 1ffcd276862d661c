package layer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever can be altered is found in the order of the names, also where there
// are many and several look, and where directories lie deeper than a process may
// have open.
func TestModesAreToldOfInOrderOfAllThatLiesBeneath(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	var want []string
	open := func(path string) {
		t.Helper()
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		want = append(want, path)
	}
	for i := range 3 * manyNames {
		dir := filepath.Join(top, fmt.Sprintf("%04d", i))
		if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("nothing", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			open(filepath.Join(dir, "sub"))
		case 1:
			open(dir)
			f := filepath.Join(dir, "sub", "file")
			if err := os.WriteFile(f, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			open(f)
		}
	}
	deep := filepath.Join(top, "deep"+strings.Repeat("/d", 1500))
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	open(deep)
	slices.Sort(want)
	for _, p := range []string{top, top + "/"} {
		var got []string
		err := ExamineModes(t.Context(), p, func(path, what string) error {
			got = append(got, path)
			if !strings.Contains(what, "0777") {
				t.Errorf("%s: %s", path, what)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v: %d of %d:\n%s", err, len(got), len(want), strings.Join(got, "\n"))
		}
	}
	enough := errors.New("enough")
	if err := ExamineModes(t.Context(), top, func(string, string) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	for _, p := range []string{filepath.Join(top, "none"), filepath.Join(top, "none", "none")} {
		if err := ExamineModes(t.Context(), p, func(path, _ string) error { return errors.New(path) }); err != nil {
			t.Error(err)
		}
	}
}
