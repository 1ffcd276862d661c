package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	if errors.Is(err, ErrNotFound) {
		if _, known := s.Get(id); known != nil {
			return known // a damaged image has none
		}
	}
	if err != nil {
		return err
	}
	config, err := ParseConfig(raw)
	if err != nil {
		return &CorruptError{ID: id, Cause: err}
	}
	var errs []error
	verifier := s.opts.Layers.Verifier()
	for i, chain := range config.Chain() {
		err, known := done[chain.String()]
		if !known {
			err = verifier.Verify(ctx, chain)
			if done != nil {
				done[chain.String()] = err
			}
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		for _, err := range apart(err) {
			errs = append(errs, fmt.Errorf("image %s, layer %d: %w", id.Short(), i+1, err))
		}
	}
	return errors.Join(errs...)
}

// apart takes joined errors, which have a line each, apart.
func apart(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, apart(e)...)
	}
	return errs
}
