package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// instead judges a directory that a driver names where a layer lies elsewhere:
// nil if it holds the very same. Docker's BuildKit leaves such. What it builds
// twice the layer store has once, by the first tree, and what it then makes on
// top of the second has that one's name beneath it. Whoever asks goes by where
// the layer lies, so that no driver can put another's files in its place.
func (d *Driver) instead(ctx context.Context, what, named string, l linked) error {
	refused := fmt.Errorf("driver %s: %s: the directory %q where layer %s lies at %q: %w", d.cfg.Name, what, named, l.id, l.base, graphdriver.ErrCorrupt)
	if clean, err := confine.CleanPath(named); err != nil || clean != named || within(named, l.base) || within(l.base, named) {
		return refused
	}
	other, err := d.home.Sub(named, confine.NoLinks)
	if err != nil {
		return refused
	}
	defer other.Close()
	own, err := d.home.Sub(l.base, confine.NoLinks)
	if err != nil {
		return refused
	}
	defer own.Close()
	same, err := confine.EqualTrees(ctx, own, other, graphdriver.InUserNamespace())
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return errors.Join(refused, err)
	case !same:
		return refused
	}
	d.twins.add(named)
	return nil
}

// twins are the layers' ids in names for which instead has found others as
// good.
type twins struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (t *twins) add(named string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = map[string]bool{}
	}
	for part := range strings.SplitSeq(named, "/") {
		if isCacheID(part) {
			t.ids[part] = true
		}
	}
}

func (t *twins) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids[id]
}
