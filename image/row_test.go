package image_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
)

func TestARowTellsParentTimeSizeAndLabels(t *testing.T) {
	f := newFixture(t)
	base := f.image("base", day1, "base:1")
	lower := f.layer("base")
	top := f.imageOf(config(t, day2, labelled("web"), lower, f.layer("four", lower)), "top:1")
	empty := f.imageOf(config(t, day3, nil))
	if err := f.images.SetParent(ctx, top, base); err != nil {
		t.Fatal(err)
	}
	rows := map[image.ID]image.Summary{}
	for _, r := range f.list(image.ListOptions{}) {
		rows[r.ID] = r
	}
	created, err := time.Parse(time.RFC3339, day2)
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[top]; r.Parent != base || !r.Created.Equal(created) || r.Size != 8 || r.Labels["tier"] != "web" ||
		r.SharedSize != image.Unknown || r.Containers != image.Unknown {
		t.Errorf("%+v", r)
	}
	if r, ok := rows[empty]; !ok || r.Size != 0 || r.Labels != nil || len(r.RepoTags)+len(r.RepoDigests) != 0 {
		t.Errorf("without layers and configuration: %+v", r)
	}
}
