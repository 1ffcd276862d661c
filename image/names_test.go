package image_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/filter"
	"github.com/bulkhead/bulkhead/image/refs"
)

func TestImagesAreFoundByNameAndByBeginningOfID(t *testing.T) {
	f := newFixture(t)
	a, b := f.image("a", day1, "app:1", "example.com/x/y"), f.image("b", day2, "app:2")
	n := 0
	for a.Hex()[n] == b.Hex()[n] {
		n++
	}
	for name, want := range map[string]image.ID{
		"app:1":                            a,
		"docker.io/library/app:1":          a,
		"index.docker.io/app:1":            a,
		"example.com/x/y":                  a,
		"example.com/x/y:latest":           a,
		"app:2":                            b,
		a.String():                         a,
		a.Hex():                            a,
		a.Hex()[:n+1]:                      a,
		"sha256:" + b.Hex()[:n+8]:          b,
		b.Short():                          b,
		"sha256:" + b.Hex()[:len("b")+n+1]: b,
	} {
		if got, err := f.images.Resolve(name); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"app", "app:3", strings.Repeat("0", 64), "sha256:" + strings.Repeat("0", 64), "nothing"} {
		_, err := f.images.Resolve(name)
		wantError(t, err, image.ErrNotFound)
	}
	for _, name := range []string{"", "UPPER", "a b", "app:", "a//b"} {
		_, err := f.images.Resolve(name)
		wantError(t, err, refs.ErrInvalid)
	}
	if n > 0 {
		_, err := f.images.Resolve(a.Hex()[:n])
		wantError(t, err, image.ErrAmbiguous)
	}
	for _, find := range []func(string) (image.ID, error){f.images.Search, f.images.Resolve} {
		_, err := find("sha256:")
		wantError(t, err, image.ErrTooShort)
	}
}

func TestNameWinsOverIDThatLooksTheSame(t *testing.T) {
	f := newFixture(t)
	a := f.image("a", day1)
	b := f.image("b", day2, a.Hex()[:6])
	if got, err := f.images.Resolve(a.Hex()[:6]); err != nil || got != b {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestTaggingTakesANameFromItsImage(t *testing.T) {
	f := newFixture(t)
	a, b := f.image("a", day1, "app:1"), f.image("b", day2)
	previous, err := f.images.Tag(ctx, b, "app:1")
	if err != nil || previous != a {
		t.Errorf("previous %v, %v", previous, err)
	}
	if refs := f.images.References(a); len(refs) != 0 {
		t.Errorf("the old image still has %v", refs)
	}
	for _, name := range []string{"UPPER", "app:1@sha256:" + strings.Repeat("0", 64), "sha256:1", ""} {
		_, err := f.images.Tag(ctx, a, name)
		wantError(t, err, refs.ErrInvalid)
	}
	_, err = f.images.Tag(ctx, "sha256:"+image.ID(strings.Repeat("0", 64)), "new:1")
	wantError(t, err, image.ErrNotFound)
}

func digestRef(t *testing.T, name string) reference.Named {
	t.Helper()
	ref, err := refs.Parse(name + "@sha256:" + strings.Repeat("d", 64))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// where are options with conditions.
func where(t *testing.T, conditions ...string) image.ListOptions {
	t.Helper()
	f, err := filter.Parse(conditions...)
	if err != nil {
		t.Fatal(err)
	}
	return image.ListOptions{Filters: f}
}

func TestListingShowsNamesAndDigestsNewestFirst(t *testing.T) {
	f := newFixture(t)
	old := f.image("old", day1, "app:1", "app:0", "example.com/app:1")
	if _, err := f.images.SetRefs(ctx, []image.Name{{Ref: digestRef(t, "app"), ID: old}}); err != nil {
		t.Fatal(err)
	}
	dangling := f.image("dangling", day3)
	base := f.image("base", day2)
	if err := f.images.SetParent(ctx, old, base); err != nil {
		t.Fatal(err)
	}
	ids := func(opts image.ListOptions) []image.ID {
		t.Helper()
		list, err := f.images.List(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		var ids []image.ID
		for _, sum := range list {
			ids = append(ids, sum.ID)
		}
		return ids
	}
	for name, c := range map[string]struct {
		opts image.ListOptions
		want []image.ID
	}{
		"unnamed images with children are left out": {image.ListOptions{}, []image.ID{dangling, old}},
		"unless all are asked for":                  {image.ListOptions{All: true}, []image.ID{dangling, base, old}},
		"by repository":                             {where(t, "reference=app"), []image.ID{old}},
		"by pattern":                                {where(t, "reference=*/app"), []image.ID{old}},
		"by tag":                                    {where(t, "reference=app:1"), []image.ID{old}},
		"by nothing there":                          {where(t, "reference=app:9"), nil},
	} {
		if got := ids(c.opts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	list, err := f.images.List(ctx, where(t, "reference=app"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(list[0].RepoTags, []string{"app:0", "app:1"}) || len(list[0].RepoDigests) != 1 || list[0].Size != 3 {
		t.Errorf("%+v", list[0])
	}
}
