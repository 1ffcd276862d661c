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

// container writes what a Docker notes of a container.
func (f *fixture) container(id string, of image.ID, running bool) {
	f.Helper()
	dir := filepath.Join(f.root, "containers", id)
	state := "false"
	if running {
		state = "true"
	}
	err := errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "config.v2.json"), []byte(`{"Image":"`+of.String()+`","State":{"Running":`+state+`}}`), 0o600))
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) list(opts image.ListOptions) []image.Summary {
	f.Helper()
	list, err := f.images.List(ctx, opts)
	if err != nil {
		f.Fatal(err)
	}
	return list
}

func (f *fixture) listed(opts image.ListOptions) []image.ID {
	f.Helper()
	var ids []image.ID
	for _, sum := range f.list(opts) {
		ids = append(ids, sum.ID)
	}
	return ids
}

func labelled(v string) func(map[string]any) {
	return func(c map[string]any) { c["config"] = map[string]any{"Labels": map[string]string{"tier": v}} }
}

func TestConditionsOfAListingAllHaveToHold(t *testing.T) {
	f := newFixture(t)
	d1 := f.layer("one")
	d2 := f.layer("two--", d1)
	web := f.imageOf(config(t, day1, labelled("web"), d1), "web:1", "web:2")
	db := f.imageOf(config(t, day2, labelled("db"), d1, d2), "db:1")
	loose := f.imageOf(config(t, day3, labelled("web"), d1, d2))
	base := f.imageOf(config(t, "2023-01-01T00:00:00Z", nil))
	if err := f.images.SetParent(ctx, web, base); err != nil {
		t.Fatal(err)
	}
	digested := f.image("pulled", "2022-01-01T00:00:00Z")
	if _, err := f.images.SetRefs(ctx, []image.Name{{Ref: digestRef(t, "pulled"), ID: digested}}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]image.ID{
		"":                                    {loose, db, web, digested},
		"dangling=true":                       {loose, digested},
		"dangling=false":                      {db, web, digested},
		"dangling=true;reference=pulled":      {digested},
		"reference=web":                       {web},
		"reference=web:1;reference=d*":        {db, web},
		"label=tier":                          {loose, db, web},
		"label=tier=web":                      {loose, web},
		"label=tier=web;dangling=false":       {web},
		"before=db:1":                         {web, digested},
		"since=web:1":                         {loose, db},
		"since=web:1;before=" + loose.Short(): {db},
		"until=2024-01-01T12:00:00Z":          {web, digested},
		"size=8b":                             {loose, db},
		"layer=" + string(d2):                 {loose, db},
		"layer=" + string(layer.ChainOf([]layer.DiffID{d1, d2}))[:20]: {loose, db},
		"driver=" + plaindriver.Name:                                  {loose, db, web, digested},
		"driver=other":                                                nil,
	} {
		if got := f.listed(where(t, strings.Split(text, ";")...)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	all := where(t, "dangling=true")
	all.All = true
	if got := f.listed(all); !slices.Equal(got, []image.ID{loose, digested}) {
		t.Errorf("dangling=true with all: %v", got)
	}
	if got := f.list(where(t, "reference=web:1"))[0]; !slices.Equal(got.RepoTags, []string{"web:1"}) {
		t.Errorf("names that do not match are told: %v", got.RepoTags)
	}
	_, err := f.images.List(ctx, where(t, "before=gone"))
	wantError(t, err, image.ErrNotFound)
}

func TestUsageCountsContainersAndWhatListedImagesShare(t *testing.T) {
	f := newFixture(t)
	d1 := f.layer("one")
	d2 := f.layer("three", d1)
	base := f.imageOf(config(t, day1, nil, d1), "base:1")
	top := f.imageOf(config(t, day2, labelled("web"), d1, d2), "top:1")
	f.container(strings.Repeat("a", 64), base, true)
	f.container(strings.Repeat("b", 64), base, false)
	if err := os.MkdirAll(filepath.Join(f.root, "containers", "unreadable"), 0o700); err != nil {
		t.Fatal(err)
	}
	type numbers struct {
		size, shared, unique int64
		containers           int
	}
	of := func(opts image.ListOptions, id image.ID) numbers {
		t.Helper()
		for _, s := range f.list(opts) {
			if s.ID == id {
				return numbers{s.Size, s.SharedSize, s.UniqueSize(), s.Containers}
			}
		}
		t.Fatalf("%s is not listed", id)
		return numbers{}
	}
	usage, alone := image.ListOptions{Usage: true}, where(t, "label=tier")
	alone.Usage = true
	for i, c := range []struct {
		got, want numbers
	}{
		{of(image.ListOptions{}, base), numbers{3, -1, -1, -1}},
		{of(usage, base), numbers{3, 3, 0, 2}},
		{of(usage, top), numbers{8, 3, 5, 0}},
		{of(alone, top), numbers{8, 0, 8, 0}}, // with nothing beside it
	} {
		if c.got != c.want {
			t.Errorf("%d: %+v, want %+v", i, c.got, c.want)
		}
	}
}

func TestImageWhoseConfigurationIsGoneIsADamagedOne(t *testing.T) {
	f := newFixture(t)
	raw := config(t, day1, nil, f.layer("x"))
	id := f.imageOf(raw, "app:1", "app:2")
	good := f.image("good", day2, "good:1")
	if err := os.Remove(f.path("imagedb", "content", "sha256", id.Hex())); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	list := f.list(image.ListOptions{Usage: true})
	if len(list) != 2 || list[0].ID != good || list[1].ID != id || !slices.Equal(list[1].RepoTags, []string{"app:1", "app:2"}) || list[1].Size != image.Unknown {
		t.Fatalf("%+v", list)
	}
	wantError(t, list[1].Err, image.ErrCorrupt)
	wantError(t, image.Damage(list), image.ErrCorrupt)
	wantError(t, f.images.Verify(ctx, id, nil), image.ErrCorrupt)
	if got := f.listed(where(t, "until=2030-01-01")); !slices.Equal(got, []image.ID{good}) {
		t.Errorf("it is said to be of some age: %v", got)
	}
	if got := lines(t, f, id.Short(), image.RemoveOptions{Force: true}); !slices.Equal(got, []string{"Untagged: app:1", "Untagged: app:2", "Deleted: " + id.String()}) {
		t.Errorf("%v", got)
	}
	f.reopen()
	if got := f.listed(image.ListOptions{}); !slices.Equal(got, []image.ID{good}) {
		t.Errorf("left: %v", got)
	}
}

func TestRowsPairTagsWithTheDigestsOfTheirRepository(t *testing.T) {
	const d1, d2 = "sha256:1", "sha256:2"
	sum := image.Summary{RepoTags: []string{"b:1", "b:2", "host:5000/a:1"}, RepoDigests: []string{"b@" + d1, "c@" + d1, "c@" + d2}}
	none := image.None
	for name, c := range map[string]struct {
		got, want []image.Entry
	}{
		"without digests": {sum.Entries(false, false), []image.Entry{{"b", "1", none}, {"b", "2", none}, {"c", none, ""}, {"host:5000/a", "1", none}}},
		"beside tags":     {sum.Entries(true, false), []image.Entry{{"b", "1", d1}, {"b", "2", d1}, {"c", none, ""}, {"host:5000/a", "1", none}}},
		"all":             {sum.Entries(true, true), []image.Entry{{"b", "1", d1}, {"b", "2", d1}, {"c", none, d1}, {"c", none, d2}, {"host:5000/a", "1", none}}},
		"of none":         {image.Summary{}.Entries(true, true), []image.Entry{{none, none, none}}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}
