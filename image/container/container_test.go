package container_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/container"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"
)

func TestAnImageIsMadeOfALayerAndItsImage(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", `,"architecture":"arm64","variant":"v8","os":"linux","os.features":["x"],"config":{"Cmd":["run","it"],"Env":["A=1"],"Unknown":{"kept":1}},`+
		`"author":"before","container":"c","container_config":{"Cmd":["c"]},"docker_version":"20","created":"2020-01-01T00:00:00Z","moby.buildinfo":"b",`+
		`"history":[{"created":"2020-01-01T00:00:00Z","created_by":"ADD","unknown":true}]`)
	f.create("work", container.CreateOptions{Image: base.ID}, "new")
	changes, err := container.ParseChanges("ENV B=$A")
	if err != nil {
		t.Fatal(err)
	}
	img := f.commit("work", container.CommitOptions{Comment: "said", Author: "me", Changes: changes, Name: "made:1"})
	if len(diffs(img)) != 2 || diffs(img)[0] != diffs(base)[0] {
		t.Fatalf("layers %v on %v", diffs(img), diffs(base))
	}
	want := object(t, []byte(`{"architecture":"arm64","variant":"v8","os":"linux","os.features":["x"],"author":"me","created":"2024-01-02T02:04:05.000000006Z",
		"config":{"Cmd":["run","it"],"Env":["A=1","B=1"],"Unknown":{"kept":1}},
		"rootfs":{"type":"layers","diff_ids":["`+diffs(img)[0].String()+`","`+diffs(img)[1].String()+`"]},
		"history":[{"created":"2020-01-01T00:00:00Z","created_by":"ADD","unknown":true},
			{"created":"2024-01-02T02:04:05.000000006Z","author":"me","created_by":"run it","comment":"said"}]}`))
	if got := object(t, img.Raw); !reflect.DeepEqual(got, want) {
		t.Errorf("configuration\n%v\nwant\n%v", got, want)
	}
	if img.Parent != base.ID {
		t.Errorf("its parent is %q", img.Parent)
	}
	if id, err := f.Images.Resolve("made:1"); id != img.ID {
		t.Errorf("made:1 is %s: %v", id, err)
	}
	if _, err := f.Layers.GetMountID("work"); err != nil {
		t.Errorf("the container's layer did not stay: %v", err)
	}
	f.reopen()
	if again, err := f.Images.Get(img.ID); err != nil || again.Parent != base.ID {
		t.Errorf("after a restart: %v", err)
	}
}

func TestALayerThatChangesNothingAddsNone(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	f.create("work", container.CreateOptions{Image: base.ID})
	img := f.commit("work", container.CommitOptions{})
	if len(diffs(img)) != 1 || len(img.History) != 1 || !img.History[0].EmptyLayer {
		t.Errorf("layers %v, history %+v", diffs(img), img.History)
	}
	if n := len(f.Layers.Map()); n != 1 {
		t.Errorf("%d layers are stored", n)
	}
}

func TestALayerNeedsNoImage(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	f.create("empty", container.CreateOptions{}, "one")
	if img := f.commit("empty", container.CommitOptions{}); len(diffs(img)) != 1 || img.OS != "linux" || img.Architecture == "" || len(img.History) != 1 || img.Parent != "" {
		t.Errorf("of nothing: %s", img.Raw)
	}
	f.create("layer", container.CreateOptions{Parent: base.ChainID()}, "two")
	img := f.commit("layer", container.CommitOptions{})
	if len(diffs(img)) != 2 || len(img.History) != 2 || !strings.Contains(img.History[0].CreatedBy, diffs(base)[0].String()) {
		t.Errorf("of a layer: %s", img.Raw)
	}
	if steps, err := f.Images.History(img.ID); err != nil || steps[0].Size != 3 || steps[1].Size != 4 {
		t.Errorf("its history: %+v %v", steps, err)
	}
}

func TestAnImageWithAContainerIsInUse(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	if _, err := f.Images.Tag(ctx, base.ID, "base:1"); err != nil {
		t.Fatal(err)
	}
	l := f.create("work", container.CreateOptions{Image: base.ID}, "new")
	for _, name := range []string{"base:1", base.ID.String()} {
		_, err := f.Images.Remove(ctx, name, image.RemoveOptions{})
		wantError(t, err, image.ErrConflict)
		if err == nil || !strings.Contains(err.Error(), "container work") {
			t.Errorf("rm %s: %v", name, err)
		}
	}
	if _, err := f.Images.Remove(ctx, "base:1", image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	_, err := container.Commit(ctx, f.Stores, "work", container.CommitOptions{})
	wantError(t, err, container.ErrNoImage)
	removed, err := container.Remove(ctx, f.Stores, l)
	if err != nil || len(removed) != 1 || removed[0].ChainID != base.ChainID() {
		t.Errorf("removed %v: %v", removed, err)
	}
	for _, dir := range []string{"plain", "image/plain/layerdb/sha256", "image/plain/layerdb/mounts", "bulkhead/plain/containers", "bulkhead/plain/journal"} {
		if left, err := os.ReadDir(filepath.Join(f.root, dir)); err != nil || len(left) > 0 {
			t.Errorf("%s holds %v: %v", dir, left, err)
		}
	}
}

func TestANoteWithoutItsLayerHoldsNoImage(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	if err := f.Images.SetContainerImage(ctx, "work", base.ID); err != nil { // and then the power went
		t.Fatal(err)
	}
	other := f.image("other", "")
	f.create("work", container.CreateOptions{Image: other.ID})
	if id, err := f.Images.ContainerImage("work"); id != other.ID {
		t.Errorf("made of %q: %v", id, err)
	}
	if err := f.Images.SetContainerImage(ctx, "gone", base.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Images.Remove(ctx, base.ID.String(), image.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAnImageWhoseLayersAreMountedStays(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	if _, err := f.Images.Tag(ctx, base.ID, "base:1"); err != nil {
		t.Fatal(err)
	}
	f.driver.mounts = []graphdriver.Mount{{ID: f.Layers.Map()[base.ChainID()].CacheID(), Target: "/on/this"}}
	for _, name := range []string{"base:1", base.ID.String()} {
		for _, force := range []bool{false, true} {
			done, err := f.Images.Remove(ctx, name, image.RemoveOptions{Force: force})
			wantError(t, err, image.ErrConflict)
			if err == nil || !strings.Contains(err.Error(), "mounted on /on/this") || len(done) > 0 {
				t.Errorf("rm %s (force %t): %v, %v", name, force, done, err)
			}
		}
	}
	if _, err := f.Images.Tag(ctx, base.ID, "other:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Images.Remove(ctx, "other:1", image.RemoveOptions{}); err != nil {
		t.Errorf("a name more: %v", err)
	}
	other := f.image("base", `,"author":"other"`) // of the same layer
	if _, err := f.Images.Remove(ctx, other.ID.String(), image.RemoveOptions{}); err != nil {
		t.Errorf("an image that shares the layer: %v", err)
	}
	f.driver.mounts = nil
	if _, err := f.Images.Remove(ctx, "base:1", image.RemoveOptions{}); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeMadeLeavesNothing(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	f.create("work", container.CreateOptions{Image: base.ID}, "new")
	empty := func() {
		t.Helper()
		if n, m := len(f.Layers.RWLayers()), len(f.Layers.Map()); n != 1 || m != 1 || len(f.Images.IDs()) != 1 {
			t.Errorf("%d containers' layers, %d layers, %d images", n, m, len(f.Images.IDs()))
		}
		if notes, _ := os.ReadDir(filepath.Join(f.root, "bulkhead", plaindriver.Name, "containers")); len(notes) != 1 {
			t.Errorf("notes %v", notes)
		}
	}
	_, err := container.Create(ctx, f.Stores, "work", container.CreateOptions{})
	wantError(t, err, layer.ErrMountNameConflict)
	if id, err := f.Images.ContainerImage("work"); id != base.ID {
		t.Errorf("the other's image is now %q: %v", id, err)
	}
	_, err = container.Create(ctx, f.Stores, "../x", container.CreateOptions{Image: base.ID})
	wantError(t, err, graphdriver.ErrInvalid)
	_, err = container.Create(ctx, f.Stores, "x", container.CreateOptions{Image: image.ID("sha256:" + strings.Repeat("1", 64))})
	wantError(t, err, image.ErrNotFound)
	f.driver.failCreate = errors.New("no space")
	_, err = container.Create(ctx, f.Stores, "x", container.CreateOptions{Image: base.ID})
	wantError(t, err, f.driver.failCreate)
	empty()

	f.driver.failDiff = errors.New("unreadable")
	_, err = container.Commit(ctx, f.Stores, "work", container.CommitOptions{})
	wantError(t, err, f.driver.failDiff)
	f.driver.failDiff = nil
	_, err = container.Commit(ctx, f.Stores, "work", container.CommitOptions{Name: "NOT A NAME"})
	wantError(t, err, refs.ErrInvalid)
	_, err = container.Commit(ctx, f.Stores, "nothing", container.CommitOptions{})
	wantError(t, err, layer.ErrNotFound)
	changes, err := container.ParseChanges("ENV A=${B")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = container.Commit(ctx, f.Stores, "work", container.CommitOptions{Changes: changes}); err == nil {
		t.Error("a variable without an end was accepted")
	}
	empty()
}

func TestWhatDockerNotedOfAContainerIsRead(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", "")
	if _, err := f.Layers.CreateRWLayer(ctx, "dockers", base.ChainID(), layer.CreateRWOptions{}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(f.root, "containers", "dockers")
	file := filepath.Join(dir, "config.v2.json")
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(file, []byte(`{"Image":"`+base.ID.String()+`"}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if img := f.commit("dockers", container.CommitOptions{}); img.Parent != base.ID {
		t.Errorf("its parent is %q", img.Parent)
	}
	for _, bad := range []string{`{`, `{"Image":"x"}`} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := container.Commit(ctx, f.Stores, "dockers", container.CommitOptions{}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	other := f.image("other", "")
	if err := os.WriteFile(file, []byte(`{"Image":"`+other.ID.String()+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := container.Commit(ctx, f.Stores, "dockers", container.CommitOptions{})
	wantError(t, err, layer.ErrCorrupt)
}
