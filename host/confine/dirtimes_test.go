package confine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// Directories get their times however many there are, and those that are
// changed after they got them, again.
func TestTimesOfManyDirectoriesAreTheArchives(t *testing.T) {
	dir := t.TempDir()
	base, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	a := NewApplier(base, ApplyOptions{Unprivileged: os.Geteuid() != 0})
	apply := func(kind layertar.Kind, p string, sec int64) {
		t.Helper()
		e := &layertar.Entry{Name: p, Path: p, Kind: kind, Mode: 0o755, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), ModTime: time.Unix(sec, 5)}
		if err := a.Apply(t.Context(), e, "", Payload{}); err != nil {
			t.Fatal(err)
		}
	}
	const n = mostTimes + 100
	for i := range n {
		apply(layertar.Dir, fmt.Sprintf("d%d", i), int64(i))
	}
	if len(a.times) >= n {
		t.Errorf("all %d times wait", len(a.times))
	}
	apply(layertar.File, "d1/f", 1_000_000)
	apply(layertar.File, "implied/f", 2_000_000)
	if _, err := a.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, sec := range map[string]int64{"d0": 0, "d1": 1, "d70": 70, fmt.Sprintf("d%d", n-1): n - 1, "implied": 2_000_000} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || !fi.ModTime().Equal(time.Unix(sec, 5)) {
			t.Errorf("%s: %v (%v)", name, fi.ModTime(), err)
		}
	}
}
