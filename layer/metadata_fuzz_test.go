package layer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// FuzzMetadata: whatever a foreign root's layer database says, it is read, and
// what is not as it should be is named; no identifier that comes of it leads
// anywhere else.
func FuzzMetadata(f *testing.F) {
	const diff = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	hex := strings.TrimPrefix(diff, "sha256:")
	f.Add(hex, diff, "", "12", "abc", "container", "mount", "init", diff)
	f.Add(hex, diff, diff, "-1", "../../etc", "..", "../x", "a/b", "sha256:../..")
	f.Add(hex+"-0-removing", diff, "sha256:x", "99999999999999999999", "", ".", "", "", "")
	f.Add("../"+hex, "x", diff, "0x1", "a\nb", "a\x00", "l", "l", diff)
	f.Fuzz(func(t *testing.T, name, diff, parent, size, cacheID, mountName, mountID, initID, mountParent string) {
		root := t.TempDir()
		at := newLayout(root, "copy")
		put := func(dir, file, text string) {
			if text == "" || len(text) > 8<<10 {
				return
			}
			if os.MkdirAll(dir, 0o700) == nil {
				os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600)
			}
		}
		if filepath.IsLocal(name) && !strings.Contains(name, "/") {
			dir := filepath.Join(at.chains(), name)
			put(dir, fileDiff, diff)
			put(dir, fileParent, parent)
			put(dir, fileSize, size)
			put(dir, fileCacheID, cacheID)
		}
		if filepath.IsLocal(mountName) && !strings.Contains(mountName, "/") {
			dir := filepath.Join(at.mounts(), mountName)
			put(dir, fileMountID, mountID)
			put(dir, fileInitID, initID)
			put(dir, fileParent, mountParent)
		}
		before := files(t, root)
		s, err := Open(t.Context(), Options{Root: root, DriverName: "copy", ReadOnly: true})
		if err != nil {
			t.Fatalf("a damaged layer takes the store with it: %v", err)
		}
		defer s.Close()
		for chain, l := range s.Map() {
			if !ValidDigest(digest.Digest(chain)) || l.DiffID() == "" {
				t.Errorf("layer %q", chain)
			}
		}
		for _, rec := range s.layers {
			if graphdriver.ValidateID(rec.cacheID) != nil || rec.size < 0 {
				t.Errorf("layer with cache ID %q and %d bytes", rec.cacheID, rec.size)
			}
		}
		for name, m := range s.mounts {
			if graphdriver.ValidateID(m.mountID) != nil || m.initID != "" && graphdriver.ValidateID(m.initID) != nil {
				t.Errorf("container %q with IDs %q and %q", name, m.mountID, m.initID)
			}
		}
		for _, err := range s.Broken() {
			if text := err.Error(); len(text) > 2000 || strings.Contains(text, "\n") {
				t.Errorf("not a clear line: %.3000q", text)
			}
		}
		if after := files(t, root); after != before {
			t.Errorf("reading wrote:\n%s\nwas\n%s", after, before)
		}
	})
}

// files lists all that lies beneath dir.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		b.WriteString(path + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
