package image_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/layer"
)

const (
	day1 = "2024-01-01T00:00:00Z"
	day2 = "2024-01-02T00:00:00Z"
	day3 = "2024-01-03T00:00:00Z"
)

func TestFilesAreWhereDockerdReadsThem(t *testing.T) {
	f := newFixture(t)
	raw := []byte(strings.Replace(string(config(t, day1, nil, f.layer("x"))), "{", "{ \"odd\" : 1,", 1))
	parent := f.image("y", day1)
	id := f.imageOf(raw, "app:1", "docker.io/library/app", "example.com/team/app:2")
	if err := f.images.SetParent(ctx, id, parent); err != nil {
		t.Fatal(err)
	}
	if got := f.read("imagedb", "content", "sha256", id.Hex()); got != string(raw) {
		t.Errorf("configuration stored as %s", got)
	}
	if got := f.read("imagedb", "metadata", "sha256", id.Hex(), "parent"); got != parent.String() {
		t.Errorf("parent stored as %q", got)
	}
	if got := f.read("imagedb", "metadata", "sha256", id.Hex(), "lastUpdated"); got != "2023-11-14T22:13:20.000000005Z" {
		t.Errorf("lastUpdated stored as %q", got)
	}
	want := `{"Repositories":{"app":{"app:1":"ID","app:latest":"ID"},"example.com/team/app":{"example.com/team/app:2":"ID"}}}`
	if got := f.read("repositories.json"); got != strings.ReplaceAll(want, "ID", id.String()) {
		t.Errorf("repositories.json is %s", got)
	}
	for _, file := range []string{f.path("repositories.json"), f.path("imagedb", "content", "sha256", id.Hex())} {
		if fi, err := os.Stat(file); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s has mode %v (%v)", file, fi.Mode(), err)
		}
	}
}

func TestWhatWasStoredIsThereAfterReopening(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", day1, "base:1")
	id := f.image("app", day2, "app:1")
	if err := f.images.SetParent(ctx, id, base); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	img, err := f.images.Get(id)
	if err != nil || img.Parent != base || img.Architecture != "amd64" {
		t.Errorf("%+v, %v", img, err)
	}
	if kids := f.images.Children(base); len(kids) != 1 || kids[0] != id {
		t.Errorf("children %v", kids)
	}
	if heads := f.images.Heads(); len(heads) != 1 || heads[id] == nil {
		t.Errorf("heads %v", heads)
	}
	if n := len(f.images.Map()); n != 2 {
		t.Errorf("%d images", n)
	}
}

func TestConfigurationsThatDockerdWouldNotRunAreRefused(t *testing.T) {
	f := newFixture(t)
	d := f.layer("x")
	many := make([]layer.DiffID, layer.MaxDepth+1)
	for i := range many {
		many[i] = d
	}
	for name, raw := range map[string][]byte{
		"empty":            nil,
		"not JSON":         []byte("{"),
		"two documents":    []byte("{}{}"),
		"no rootfs":        []byte(`{"os":"linux"}`),
		"another rootfs":   []byte(`{"rootfs":{"type":"layers+base","diff_ids":[]}}`),
		"no digest":        []byte(`{"rootfs":{"type":"layers","diff_ids":["x"]}}`),
		"another digest":   []byte(`{"rootfs":{"type":"layers","diff_ids":["sha512:` + strings.Repeat("0", 128) + `"]}}`),
		"too many layers":  config(t, day1, nil, many...),
		"too much history": config(t, day1, func(c map[string]any) { c["history"] = []any{map[string]any{}, map[string]any{}} }, d),
	} {
		if _, err := f.images.Create(ctx, raw); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			wantError(t, err, image.ErrInvalidConfig)
		}
	}
	_, err := f.images.Create(ctx, config(t, day1, nil, "sha256:"+layer.DiffID(strings.Repeat("0", 64))))
	wantError(t, err, layer.ErrNotFound)
	if n := len(f.images.Map()); n != 0 {
		t.Errorf("%d images stored", n)
	}
}

func TestDamagedImagesDoNotHinderTheOthers(t *testing.T) {
	f := newFixture(t)
	good := f.image("good", day1, "good:1")
	altered := f.image("altered", day2, "altered:1")
	f.write("{}", "imagedb", "content", "sha256", altered.Hex())
	noLayer := config(t, day3, nil, "sha256:"+layer.DiffID(strings.Repeat("1", 64)))
	f.write(string(noLayer), "imagedb", "content", "sha256", image.IDOf(noLayer).Hex())
	noConfig := []byte("no configuration")
	f.write(string(noConfig), "imagedb", "content", "sha256", image.IDOf(noConfig).Hex())
	pipe := strings.Repeat("2", 64)
	if err := syscall.Mkfifo(f.path("imagedb", "content", "sha256", pipe), 0o600); err != nil {
		t.Fatal(err)
	}
	f.write("x", "imagedb", "content", "sha256", "no-id")
	f.reopen()
	if _, err := f.images.Get(good); err != nil {
		t.Error(err)
	}
	bad := f.images.Broken()
	if len(bad) != 4 {
		t.Errorf("damaged: %v", bad)
	}
	for _, err := range bad {
		wantError(t, err, image.ErrCorrupt)
		wantError(t, err, layer.ErrCorrupt)
	}
	list, err := f.images.List(ctx, image.ListOptions{})
	if err != nil || len(list) != 5 || list[0].ID != good {
		t.Errorf("list %+v, %v", list, err)
	}
	wantError(t, image.Damage(list), image.ErrCorrupt)
	if id, err := f.images.Resolve("altered:1"); err != nil || id != altered {
		t.Errorf("a damaged image is not found by name: %v, %v", id, err)
	}
	for id := range bad {
		if _, err := f.images.Remove(ctx, id.String(), image.RemoveOptions{}); err != nil {
			t.Errorf("remove %s: %v", id, err)
		}
	}
	f.reopen()
	if n := len(f.images.Broken()); n != 0 {
		t.Errorf("%d damaged images after their removal", n)
	}
}

func TestDamagedImageIsMadeWholeByStoringItAgain(t *testing.T) {
	f := newFixture(t)
	raw := config(t, day1, nil, f.layer("x"))
	id := f.imageOf(raw, "app:1")
	f.write("{}", "imagedb", "content", "sha256", id.Hex())
	f.reopen()
	f.imageOf(raw)
	if _, err := f.images.Get(id); err != nil {
		t.Error(err)
	}
}

func TestDamagedRepositoriesFileIsNeverWrittenOver(t *testing.T) {
	f := newFixture(t)
	f.write("{damaged", "repositories.json")
	_, err := image.Open(ctx, image.Options{Root: f.root, DriverName: "plain", Layers: f.layers})
	wantError(t, err, refs.ErrCorrupt)
	if got := f.read("repositories.json"); got != "{damaged" {
		t.Errorf("now it is %q", got)
	}
}

func TestStoreOpenedToReadWritesNothing(t *testing.T) {
	f := newFixture(t)
	if err := os.RemoveAll(f.path()); err != nil {
		t.Fatal(err)
	}
	f.open(true)
	if _, err := os.Stat(f.path()); err == nil {
		t.Error("opening to read made a directory")
	}
	_, err := f.images.Create(ctx, []byte(`{"rootfs":{"type":"layers"}}`))
	wantError(t, err, image.ErrReadOnly)
	_, err = f.images.Tag(ctx, "", "a:1")
	wantError(t, err, image.ErrReadOnly)
	_, err = f.images.Remove(ctx, "a:1", image.RemoveOptions{})
	wantError(t, err, image.ErrReadOnly)
	_, err = f.images.Delete(ctx, "")
	wantError(t, err, image.ErrReadOnly)
	wantError(t, f.images.SetParent(ctx, "", ""), image.ErrReadOnly)
	wantError(t, f.images.Untag(ctx), image.ErrReadOnly)
}

func TestImageCannotBeItsOwnAncestor(t *testing.T) {
	f := newFixture(t)
	a, b := f.image("a", day1), f.image("b", day2)
	if err := f.images.SetParent(ctx, b, a); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.images.SetParent(ctx, a, b), image.ErrConflict)
	wantError(t, f.images.SetParent(ctx, a, a), image.ErrConflict)
}

func TestVerifyNamesLayerAndFile(t *testing.T) {
	f := newFixture(t)
	id := f.image("precious", day1, "app:1")
	if err := f.images.Verify(ctx, id, nil); err != nil {
		t.Fatal(err)
	}
	l, err := f.images.Layer(id)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := l.Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meta["Dir"]+"/file-precious", []byte("PRECIOUS"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = f.images.Verify(ctx, id, nil)
	wantError(t, err, layer.ErrCorrupt)
	for _, part := range []string{"file-precious", string(l.DiffID())} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}
