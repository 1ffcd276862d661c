package image

import (
	"context"
	"errors"
	"fmt"
)

// Verify reads an image's configuration and all its layers again, from the
// lowest up, and compares them with their digests. It reports everything
// that is not as it was stored, joined: each names the configuration, or a
// layer and where it can the file in it (*layer.FileError). All of them wrap
// layer.ErrCorrupt; an error that does not means that something could not be
// read. Layers in done are passed over and those read are added to it, so
// that several images are verified without reading a layer twice.
func (s *Store) Verify(ctx context.Context, id ID, done map[string]error) error {
	raw, err := s.db.read(id)
	if err != nil {
		return err
	}
	config, err := ParseConfig(raw)
	if err != nil {
		return &CorruptError{ID: id, Cause: err}
	}
	var errs []error
	for i, chain := range config.Chain() {
		err, known := done[chain.String()]
		if !known {
			err = s.opts.Layers.Verify(ctx, chain)
			if done != nil {
				done[chain.String()] = err
			}
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("image %s: layer %d (%s): %w", id.Short(), i+1, config.RootFS.DiffIDs[i], err))
		}
	}
	return errors.Join(errs...)
}
