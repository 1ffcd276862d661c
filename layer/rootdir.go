package layer

import (
	"context"
	"errors"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// RootDir is what the root directory of a layer's tree is like. known is
// false for a driver whose trees cannot be looked at.
func (s *Store) RootDir(ctx context.Context, id ChainID) (root graphdriver.StoredNode, known bool, err error) {
	trees, ok := s.opts.Driver.(graphdriver.TreeDriver)
	if !ok {
		return root, false, nil
	}
	err = s.with(ctx, id, func(rec *record) error {
		tree, err := trees.StoredTree(ctx, rec.cacheID)
		if errors.Is(err, graphdriver.ErrNotSupported) {
			return nil
		}
		if err != nil {
			return err
		}
		known = true
		root, err = tree.Root(ctx)
		return oneLine(err, tree.Close())
	})
	return root, known, err
}
