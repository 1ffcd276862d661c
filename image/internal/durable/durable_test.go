package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

func TestSweepTakesOnlyWhatWasNotFinished(t *testing.T) {
	dir := t.TempDir()
	if err := durable.WriteFile(filepath.Join(dir, "kept"), []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".bulkhead-tmp-123", ".tmp-of-dockerd"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Sweep(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != ".tmp-of-dockerd" {
		t.Errorf("%v (%v)", entries, err)
	}
	if err := durable.Sweep(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "d"), []byte("x"), 0o600); err == nil {
		t.Fatal("a directory was replaced")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
}
