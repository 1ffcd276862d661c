package image

import (
	"errors"
	"fmt"

	"github.com/bulkhead/bulkhead/layer"
)

var (
	// ErrNotFound: no image of that name or ID.
	ErrNotFound = errors.New("no such image")
	// ErrAmbiguous: several images have an ID that begins so.
	ErrAmbiguous = errors.New("ambiguous image ID")
	// ErrTooShort: every image has an ID that begins so.
	ErrTooShort = errors.New("image ID is too short")
	// ErrInvalidConfig: the configuration is not that of an image.
	ErrInvalidConfig = errors.New("invalid image configuration")
	// ErrCorrupt: what is stored of an image is not what was stored.
	ErrCorrupt = errors.New("image is corrupt")
	// errNoConfig: a name leads to an image that has no configuration.
	errNoConfig = errors.New("its configuration is missing")
	// ErrConflict: the image is in use in a way that forbids the removal.
	ErrConflict = errors.New("conflict")
	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("image store is open for reading only")
)

// CorruptError tells what is wrong with a stored image. It wraps ErrCorrupt,
// layer.ErrCorrupt, so that one question finds damage of either kind, and
// the cause.
type CorruptError struct {
	ID    ID
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("image %s is corrupt: %v", e.ID.Short(), e.Cause)
}

// Unwrap makes errors.Is find ErrCorrupt, layer.ErrCorrupt and the cause.
func (e *CorruptError) Unwrap() []error {
	return []error{ErrCorrupt, layer.ErrCorrupt, e.Cause}
}
