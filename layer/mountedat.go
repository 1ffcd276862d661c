package layer

import (
	"context"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// MountedAt lists where, by any process, layers are mounted that would be
// removed with the last reference to l, if that is it.
func (s *Store) MountedAt(ctx context.Context, l Layer) ([]graphdriver.Mount, error) {
	r, ok := l.(*ref)
	if !ok || r.s != s {
		return nil, nil
	}
	d, ok := s.opts.Driver.(graphdriver.Mounter)
	if !ok {
		return nil, nil
	}
	mounts, err := d.Mounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("driver %s: list mounts: %w", s.opts.DriverName, err)
	}
	gone := s.doomed(r.rec.Load(), 1, 0)
	return slices.DeleteFunc(mounts, func(m graphdriver.Mount) bool { return !slices.Contains(gone, m.ID) }), nil
}
