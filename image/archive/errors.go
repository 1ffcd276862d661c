package archive

import "errors"

var (
	// ErrMismatch: data in an archive is not what its descriptor, or its
	// place, promises.
	ErrMismatch = errors.New("does not match its descriptor")
	// ErrNothing: no image was asked for.
	ErrNothing = errors.New("no image named")
)
