package layer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// dockerLayer writes a layer directory as dockerd does.
func dockerLayer(t *testing.T, b *bench, parent ChainID, diff DiffID, cacheID string) ChainID {
	t.Helper()
	id := NextChainID(parent, diff)
	files := map[string]string{fileDiff: string(diff), fileSize: "12", fileCacheID: cacheID}
	if parent != "" {
		files[fileParent] = string(parent)
	}
	if err := os.MkdirAll(b.at.chain(id), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(b.at.chain(id), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func TestBrokenLayerDirectoriesAreReportedAndOthersLoad(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	base := dockerLayer(t, b, "", diffOf([]byte("base")), "c0")
	child := dockerLayer(t, b, base, diffOf([]byte("child")), "c1")
	damage := map[string]func(dir string) error{
		"no diff":     func(d string) error { return os.Remove(filepath.Join(d, fileDiff)) },
		"empty diff":  func(d string) error { return os.Truncate(filepath.Join(d, fileDiff), 0) },
		"other diff":  func(d string) error { return os.WriteFile(filepath.Join(d, fileDiff), []byte(diffOf(nil)), 0o644) },
		"bad size":    func(d string) error { return os.WriteFile(filepath.Join(d, fileSize), []byte("many"), 0o644) },
		"minus size":  func(d string) error { return os.WriteFile(filepath.Join(d, fileSize), []byte("-1"), 0o644) },
		"no cache id": func(d string) error { return os.Remove(filepath.Join(d, fileCacheID)) },
		"evil cache":  func(d string) error { return os.WriteFile(filepath.Join(d, fileCacheID), []byte("../x"), 0o644) },
		"huge":        func(d string) error { return os.Truncate(filepath.Join(d, fileSize), 1<<40) },
		"bad parent":  func(d string) error { return os.WriteFile(filepath.Join(d, fileParent), []byte("x"), 0o644) },
		"lost parent": func(d string) error { return os.WriteFile(filepath.Join(d, fileParent), []byte(diffOf(nil)), 0o644) },
		"diff is dir": func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, fileDiff)), os.Mkdir(filepath.Join(d, fileDiff), 0o700))
		},
	}
	broken := map[string]bool{}
	for name, do := range damage {
		id := dockerLayer(t, b, base, diffOf([]byte(name)), "c-"+strings.ReplaceAll(name, " ", "-"))
		if err := do(b.at.chain(id)); err != nil {
			t.Fatal(err)
		}
		broken[digest.Digest(id).Encoded()] = true
	}
	orphan := dockerLayer(t, b, ChainID(diffOf([]byte("nowhere"))), diffOf([]byte("orphan")), "c2")
	broken[digest.Digest(orphan).Encoded()] = true
	if err := os.Mkdir(filepath.Join(b.at.chains(), "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	broken["lost+found"] = true

	b = open(t, root, func(o *Options) { o.ReadOnly = true })
	if m := b.Map(); len(m) != 2 || m[child] == nil || m[child].Size() != 24 || m[child].CacheID() != "c1" {
		t.Errorf("loaded %v", m)
	}
	for _, err := range b.Broken() {
		var be *BrokenError
		if !errors.As(err, &be) || !errors.Is(err, ErrCorrupt) || !broken[be.Dir] || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
			continue
		}
		delete(broken, be.Dir)
	}
	if len(broken) != 0 {
		t.Errorf("not reported: %v", broken)
	}
}

func TestBrokenLayerIsReplacedAndWhatItRestsOnStays(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	base := b.add(archive(t, file{name: "1"}), "")
	top := b.add(archive(t, file{name: "2"}), base.ChainID())
	if err := os.Remove(filepath.Join(b.at.chain(top.ChainID()), fileSize)); err != nil {
		t.Fatal(err)
	}
	b = open(t, root, nil)
	kept, err := b.Get(base.ChainID())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.Release(t.Context(), kept); err != nil || len(r) != 0 {
		t.Fatal("removed beneath a broken layer", r, err)
	}
	again := b.add(archive(t, file{name: "2"}), base.ChainID())
	if !bytes.Equal(b.read(again), archive(t, file{name: "2"})) {
		t.Error("other bytes came out")
	}
	if n := names(filepath.Join(b.at.state, dirSetAside)); len(n) != 1 {
		t.Errorf("put aside: %v", n)
	}
	if ok, _ := b.driver.Exists(t.Context(), top.CacheID()); !ok {
		t.Error("the broken layer's tree was removed")
	}
}

func TestUnfinishedRemovalIsFinishedAndStrangersStay(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	l := b.add(archive(t, file{name: "1"}), "")
	if err := os.Rename(b.at.chain(l.ChainID()), b.at.removing(l.ChainID())); err != nil {
		t.Fatal(err)
	}
	// Neither an unknown id of the driver nor a transaction of dockerd's is ours.
	foreign := filepath.Join(b.at.tmp(), "write-set-123")
	for _, dir := range []string{b.driver.tree("someone-elses"), foreign} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b = open(t, root, nil)
	if ids := b.driver.ids(); len(ids) != 1 || ids[0] != "someone-elses" {
		t.Errorf("driver holds %v", ids)
	}
	if len(names(b.at.chains())) != 0 || len(names(b.at.tmp())) != 1 || len(b.Map()) != 0 {
		t.Error("not finished, or too much")
	}
}

func TestMissingTarSplitIsCorruption(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l := b.add(archive(t, file{name: "a", content: "x"}), "")
	split := filepath.Join(b.at.chain(l.ChainID()), fileTarSplit)
	whole, err := os.ReadFile(split)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		if _, err := readLayer(t.Context(), l); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: read: %v", what, err)
		}
		if err := b.Verify(t.Context(), l.ChainID()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: verify: %v", what, err)
		}
	}
	for _, n := range []int{0, 5, len(whole) / 2, len(whole) - 1} {
		os.WriteFile(split, whole[:n], 0o644)
		check("cut")
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x10
		os.WriteFile(split, damaged, 0o644)
		if got, err := readLayer(t.Context(), l); err == nil && diffOf(got) != l.DiffID() {
			t.Errorf("byte %d: other bytes passed", i)
		} else if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	os.Remove(split)
	check("gone")
}
