package host

import (
	"errors"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestLayersLieApart(t *testing.T) {
	p := newPlaces()
	p.add("a/diff", "a")
	p.add("b/diff", "b")
	p.add("b/work", "b")
	for _, c := range []struct {
		id, dir string
		free    bool
	}{
		{"a", "a/diff", true},
		{"c", "a/diff", false},
		{"c", "a", false},
		{"a", "a", true},
		{"c", "a/diff/within", false},
		{"a", "a/diff/within", true},
		{"c", "a/different", true},
		{"c", "b", false},
		{"c", "c/diff", true},
	} {
		if err := p.free(c.id, c.dir); (err == nil) != c.free || err != nil && !errors.Is(err, graphdriver.ErrCorrupt) {
			t.Errorf("%s at %s: %v", c.id, c.dir, err)
		}
	}
	p.removeAll("a", "a/diff", "b/diff") // not what is another's
	p.add("b/diff", "b")
	if err := p.free("c", "a"); err != nil {
		t.Error(err)
	}
	if err := p.free("c", "b"); err == nil {
		t.Error("a place was given away")
	}
	p.removeAll("b", "b/diff", "b/work")
	if len(p.owners) != 0 || len(p.within) != 0 {
		t.Errorf("left: %v %v", p.owners, p.within)
	}
}
