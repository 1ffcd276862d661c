package layer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dockerMount writes a container's directory as dockerd does.
func dockerMount(t *testing.T, b *bench, name string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(b.at.mount(name), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(b.at.mount(name), file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContainersOfDockerStayAsTheyAreAndDamagedOnesAreReported(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	base := b.add(archive(t, file{name: "1"}), "")
	own := b.addRW("x", "own", base.ChainID())
	chain := string(base.ChainID())
	dockerMount(t, b, "good", map[string]string{fileMountID: "m1", fileInitID: "m1-init", fileParent: chain})
	dockerMount(t, b, "scratch", map[string]string{fileMountID: "m2"})
	damaged := map[string]map[string]string{
		"empty":        nil,
		"no mount-id":  {fileInitID: "m3-init", fileParent: chain},
		"evil":         {fileMountID: "../../x", fileParent: chain},
		"evil init":    {fileMountID: "m4", fileInitID: "a/b", fileParent: chain},
		"bad parent":   {fileMountID: "m5", fileParent: "sha256:x"},
		"lost parent":  {fileMountID: "m6", fileParent: string(diffOf(nil))},
		"a layer's":    {fileMountID: base.CacheID(), fileParent: chain},
		"own's":        {fileMountID: "m7", fileInitID: own.InitID(), fileParent: chain},
		"huge":         {fileMountID: strings.Repeat("m", maxText+1), fileParent: chain},
		"itself twice": {fileMountID: "m8", fileInitID: "m8"},
	}
	for name, files := range damaged {
		dockerMount(t, b, name, files)
	}
	for _, id := range []string{"m1", "m1-init", "m2", "m7"} {
		if err := os.MkdirAll(b.driver.tree(id), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(b.at.mounts(), "file"), nil, 0o600), os.Symlink("good", filepath.Join(b.at.mounts(), "link"))); err != nil {
		t.Fatal(err)
	}
	// One was journaled before a crash, and stays all the same.
	if err := b.intend("m1"); err != nil {
		t.Fatal(err)
	}
	before := treeText(t, b.at.mounts())

	b = open(t, root, nil)
	var got []string
	for _, l := range b.RWLayers() {
		got = append(got, l.Name())
	}
	if !slices.Equal(got, []string{"good", "scratch"}) { // own shares an id
		t.Errorf("found %q", got)
	}
	damaged["own"] = nil
	for _, err := range b.Broken() {
		var be *BrokenError
		if !errors.As(err, &be) || !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "\n") {
			t.Error(err)
			continue
		}
		name, _ := strings.CutPrefix(be.Dir, "mounts/")
		if _, ok := damaged[name]; !ok {
			t.Error(err)
		}
		delete(damaged, name)
	}
	if len(damaged) != 0 {
		t.Errorf("not reported: %v", damaged)
	}
	if treeText(t, b.at.mounts()) != before || len(names(b.at.journal())) != 0 {
		t.Error("something was changed")
	}
	for _, id := range []string{"m1", "m1-init", "m2", "m7", own.MountID(), base.CacheID()} {
		if ok, _ := b.driver.Exists(t.Context(), id); !ok {
			t.Errorf("the driver's layer %s is gone", id)
		}
	}
	// It can be removed like one of ours, and the others keep its parent.
	good, err := b.GetRWLayer("good")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := b.ReleaseRWLayer(t.Context(), good); err != nil || len(r) != 0 {
		t.Error(r, err)
	}
	if ok, _ := b.driver.Exists(t.Context(), "m1-init"); ok || b.Map()[base.ChainID()] == nil {
		t.Error("too little was removed, or too much")
	}
}

// tellingDriver wants to know the layers' parents.
type tellingDriver struct {
	entryDriver
	parents map[string]string
}

func (d tellingDriver) SetParents(parents map[string]string) { maps.Copy(d.parents, parents) }

func TestDriverIsToldTheParentsOfAllLayers(t *testing.T) {
	root := t.TempDir()
	b := open(t, root, nil)
	lower := b.add(archive(t, file{name: "1"}), "")
	upper := b.add(archive(t, file{name: "2"}), lower.ChainID())
	box := b.addRW("x", "box", upper.ChainID())
	dockerMount(t, b, "bare", map[string]string{fileMountID: "m1", fileParent: string(lower.ChainID())})
	dockerMount(t, b, "scratch", map[string]string{fileMountID: "m2"})
	want := map[string]string{
		lower.CacheID(): "", upper.CacheID(): lower.CacheID(),
		box.InitID(): upper.CacheID(), box.MountID(): box.InitID(), "m1": lower.CacheID(), "m2": "",
	}
	for _, readOnly := range []bool{true, false} {
		got := map[string]string{}
		open(t, root, func(o *Options) {
			o.ReadOnly, o.Driver = readOnly, tellingDriver{entryDriver{b.driver}, got}
		})
		if !maps.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
}

// treeText is all names and contents beneath a directory.
func treeText(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		fmt.Fprintln(&out, p, e.Type())
		if err == nil && e.Type().IsRegular() {
			var b []byte
			b, err = os.ReadFile(p)
			out.Write(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}
