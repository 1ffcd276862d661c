package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/layer"
)

func lines(t *testing.T, f *fixture, name string, opts image.RemoveOptions) []string {
	t.Helper()
	done, err := f.images.Remove(ctx, name, opts)
	if err != nil {
		t.Fatalf("remove %s: %v", name, err)
	}
	var lines []string
	for _, r := range done {
		lines = append(lines, r.String())
	}
	return lines
}

func TestLastNameTakesTheImageWithIt(t *testing.T) {
	f := newFixture(t)
	d := f.layer("x")
	id := f.imageOf(config(t, day1, nil, d), "app:1", "app:2")
	f.reopen() // the layer is now kept by the image alone
	if got := lines(t, f, "app:1", image.RemoveOptions{}); !slices.Equal(got, []string{"Untagged: app:1"}) {
		t.Errorf("%v", got)
	}
	want := []string{"Untagged: app:2", "Deleted: " + id.String(), "Deleted: " + string(d)}
	if got := lines(t, f, "app:2", image.RemoveOptions{}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	f.reopen()
	if len(f.images.Map()) != 0 || len(f.layers.Map()) != 0 {
		t.Error("something is left")
	}
}

func TestLastTagTakesTheDigestsOfItsRepositoryWithIt(t *testing.T) {
	f := newFixture(t)
	id := f.image("x", day1, "app:1", "other:1")
	digest := digestRef(t, "app")
	if _, err := f.images.SetRefs(ctx, []image.Name{{Ref: digest, ID: id}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"Untagged: app:1", "Untagged: app@sha256:" + strings.Repeat("d", 64)}
	if got := lines(t, f, "app:1", image.RemoveOptions{}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := lines(t, f, "other:1", image.RemoveOptions{}); len(got) < 2 || got[1] != "Deleted: "+id.String() {
		t.Errorf("%v", got)
	}
}

func TestIDOfImageInSeveralRepositoriesHasToBeForced(t *testing.T) {
	f := newFixture(t)
	id := f.image("x", day1, "app:1", "other:1")
	_, err := f.images.Remove(ctx, id.Short(), image.RemoveOptions{})
	wantError(t, err, image.ErrConflict)
	got := lines(t, f, id.Short(), image.RemoveOptions{Force: true})
	if len(got) < 3 || got[0] != "Untagged: app:1" || got[1] != "Untagged: other:1" {
		t.Errorf("%v", got)
	}
	one := f.image("y", day1, "app:1")
	got = lines(t, f, one.Hex(), image.RemoveOptions{})
	if len(got) < 2 || got[0] != "Untagged: app:1" || got[1] != "Deleted: "+one.String() {
		t.Errorf("%v", got)
	}
}

func TestImageThatOthersWereBuiltOnIsNotRemoved(t *testing.T) {
	f := newFixture(t)
	d := f.layer("base")
	base := f.imageOf(config(t, day1, nil, d), "base:1")
	child := f.imageOf(config(t, day2, nil, d, f.layer("more", d)), "child:1")
	if err := f.images.SetParent(ctx, child, base); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		_, err := f.images.Remove(ctx, base.String(), image.RemoveOptions{Force: force})
		wantError(t, err, image.ErrConflict)
	}
	f.reopen()
	lines(t, f, "child:1", image.RemoveOptions{})
	if _, err := f.images.Get(base); err != nil {
		t.Errorf("the named parent went too: %v", err)
	}
	if _, err := f.layers.Get(layer.ChainOf([]layer.DiffID{d})); err != nil {
		t.Errorf("the parent's layer went too: %v", err)
	}
}

func TestUnnamedParentsGoWithTheirLastChild(t *testing.T) {
	f := newFixture(t)
	base, child := f.image("base", day1), f.image("child", day2, "child:1")
	if err := f.images.SetParent(ctx, child, base); err != nil {
		t.Fatal(err)
	}
	got := lines(t, f, "child:1", image.RemoveOptions{})
	if !slices.Contains(got, "Deleted: "+base.String()) {
		t.Errorf("%v", got)
	}
	base, child = f.image("base", day1), f.image("child", day2, "child:1")
	if err := f.images.SetParent(ctx, child, base); err != nil {
		t.Fatal(err)
	}
	lines(t, f, "child:1", image.RemoveOptions{NoPrune: true})
	if _, err := f.images.Get(base); err != nil {
		t.Error(err)
	}
}

func TestImageOfAStoppedContainerHasToBeForced(t *testing.T) {
	f := newFixture(t)
	id := f.image("x", day1, "app:1")
	if _, err := f.images.SetRefs(ctx, []image.Name{{Ref: digestRef(t, "app"), ID: id}}); err != nil {
		t.Fatal(err)
	}
	f.container(strings.Repeat("c", 64), id, false)
	for name, says := range map[string]string{"app:1": "container cccccccccccc is using its referenced image", id.Short(): "stopped container cccccccccccc"} {
		_, err := f.images.Remove(ctx, name, image.RemoveOptions{})
		wantError(t, err, image.ErrConflict)
		if err == nil || !strings.Contains(err.Error(), "must") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.images.Resolve("app:1"); err != nil {
		t.Errorf("the refused removal took the name: %v", err)
	}
	lines(t, f, "app:1", image.RemoveOptions{Force: true})
	if _, err := f.images.Get(id); err == nil {
		t.Error("the image is still there")
	}
}

// That a layer cannot be looked at does not make a container of no image.
func TestTheImageOfAContainerIsKnownWhereItsLayerCannotBeLookedAt(t *testing.T) {
	f := newFixture(t)
	id := f.image("x", day1, "app:1")
	mounts := filepath.Join(f.root, "image", plaindriver.Name, "layerdb/mounts")
	if err := os.MkdirAll(filepath.Join(mounts, "box"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.images.SetContainerImage(ctx, "box", id); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(mounts), os.Symlink(mounts, mounts)); err != nil { // a loop
		t.Fatal(err)
	}
	f.open(false) // sweeps what is of no container
	_, err := f.images.Remove(ctx, "app:1", image.RemoveOptions{})
	wantError(t, err, image.ErrConflict)
}

func TestImageOfARunningContainerLosesItsNameAtMost(t *testing.T) {
	f := newFixture(t)
	id := f.image("x", day1, "app:1")
	f.container(strings.Repeat("b", 64), id, false)
	f.container(strings.Repeat("c", 64), id, true)
	_, err := f.images.Remove(ctx, id.Short(), image.RemoveOptions{Force: true})
	wantError(t, err, image.ErrConflict)
	if err == nil || !strings.Contains(err.Error(), "(cannot be forced) - image is being used by running container cccccccccccc") {
		t.Error(err)
	}
	if got := lines(t, f, "app:1", image.RemoveOptions{Force: true}); !slices.Equal(got, []string{"Untagged: app:1"}) {
		t.Errorf("%v", got)
	}
	if _, err := f.images.Get(id); err != nil {
		t.Error(err)
	}
}

func TestNameOfAnImageThatOthersWereBuiltOnCanBeTaken(t *testing.T) {
	f := newFixture(t)
	base, child := f.image("base", day1, "base:1"), f.image("child", day2, "child:1")
	if err := f.images.SetParent(ctx, child, base); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, f, "base:1", image.RemoveOptions{}); !slices.Equal(got, []string{"Untagged: base:1"}) {
		t.Errorf("%v", got)
	}
	if _, err := f.images.Get(base); err != nil {
		t.Error(err)
	}
}
