package buildkit_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/layer/bolt"
	"github.com/bulkhead/bulkhead/layer/buildkit"
)

// snapshots writes the database as moby's snapshotter does
// (builder/builder-next/adapters/snapshot): Prepare makes a bucket by the key
// with its parent, Commit one by the name with the key in it, EnsureLayer notes
// the chain ID, Usage the size, and a layer that was pulled has a bucket by its
// chain ID.
func snapshots(t *testing.T, root string) {
	t.Helper()
	dir := filepath.Join(root, "buildkit")
	if err := os.MkdirAll(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "snapshots.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(tx *bbolt.Tx, bucket string, pairs ...string) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucket))
		for i := 0; err == nil && i < len(pairs); i += 2 {
			err = b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
		}
		return err
	}
	base := "sha256:" + strings.Repeat("a", 64)
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(
			put(tx, base),
			put(tx, "active0000000000000000000", "parent", base),
			put(tx, "name000000000000000000000", "committed", "active0000000000000000000", "chainid", "sha256:"+strings.Repeat("b", 64), "size", "42"),
			put(tx, "running000000000000000000", "parent", "name000000000000000000000"),
		)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotsAndLayersOfBuildKitAreKnown(t *testing.T) {
	root := t.TempDir()
	s, err := buildkit.Read(t.Context(), root)
	if err != nil || s.There || len(s.IDs)+len(s.Chains) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	snapshots(t, root)
	if s, err = buildkit.Read(t.Context(), root); err != nil || !s.There {
		t.Fatal(s, err)
	}
	if got := slices.Sorted(maps.Keys(s.IDs)); !slices.Equal(got, []string{"active0000000000000000000", "name000000000000000000000", "running000000000000000000"}) {
		t.Errorf("%q", got)
	}
	if got := slices.Sorted(maps.Keys(s.Chains)); !slices.Equal(got, []string{"sha256:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("b", 64)}) {
		t.Errorf("%q", got)
	}
}

func TestDatabaseThatADockerdHasOpenIsReadAllTheSame(t *testing.T) {
	root := t.TempDir()
	snapshots(t, root)
	db, err := bbolt.Open(filepath.Join(root, "buildkit", "snapshots.db"), 0o600, nil) // with its lock
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if s, err := buildkit.Read(t.Context(), root); err != nil || len(s.IDs) != 3 {
		t.Error(s, err)
	}
}

func TestWhatIsNoDatabaseIsToldAndNotWaitedFor(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a symlink":   func(path string) error { return os.Symlink("/etc/passwd", path) },
		"empty":       func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"text":        func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("text", 9999)), 0o600) },
	} {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "buildkit"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := put(filepath.Join(root, "buildkit", "snapshots.db")); err != nil {
			t.Fatal(err)
		}
		s, err := buildkit.Read(t.Context(), root)
		if err == nil || !strings.Contains(err.Error(), "what is BuildKit's cannot be told") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if name != "a symlink" && !errors.Is(err, bolt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
