package layer

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotFound: no layer of that chain ID.
	ErrNotFound = errors.New("layer does not exist")
	// ErrNotAncestor: the layer named is not beneath the other.
	ErrNotAncestor = errors.New("not an ancestor of the layer")
	// ErrMaxDepth: the chain would be longer than MaxDepth.
	ErrMaxDepth = errors.New("max depth exceeded")
	// ErrNotRetained: the layer was released before, or is another store's.
	ErrNotRetained = errors.New("layer not retained")
	// ErrCorrupt: stored data is not what was stored.
	ErrCorrupt = errors.New("layer data is corrupt")
	// ErrDigestMismatch: the archive is not the one that was expected.
	ErrDigestMismatch = errors.New("layer archive does not match its digest")
	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("store is open for reading only")
	// ErrMountNameConflict: a read-write layer of that name exists.
	ErrMountNameConflict = errors.New("a read-write layer of that name already exists")
	// ErrMounted: the read-write layer is in use.
	ErrMounted = errors.New("layer is mounted")
	// ErrLocked: another process holds the store.
	ErrLocked = errors.New("store is locked")
)

// MaxDepth is the longest chain, as in Docker.
const MaxDepth = 125

// FileError names the file of a layer whose stored content or presence is
// not as recorded. It wraps ErrCorrupt.
type FileError struct {
	Layer DiffID
	File  string // the name in the archive
	Cause error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("layer %s: file %q: %v", e.Layer, e.File, e.Cause)
}

// Unwrap makes errors.Is find ErrCorrupt and the cause.
func (e *FileError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// BrokenError says which layer directory cannot be used and why. It wraps
// ErrCorrupt.
type BrokenError struct {
	// Dir is the name beneath layerdb/sha256, or mounts/ and the name beneath
	// layerdb/mounts.
	Dir   string
	Cause error
}

func (e *BrokenError) Error() string { return "layer directory " + e.Dir + ": " + e.Cause.Error() }

// Unwrap makes errors.Is find ErrCorrupt and the cause.
func (e *BrokenError) Unwrap() []error { return []error{ErrCorrupt, e.Cause} }

// severalErrors is errors.Join on one line.
type severalErrors []error

// oneLine joins the errors that are not nil; a single one stays as it is.
func oneLine(errs ...error) error {
	var some severalErrors
	for _, err := range errs {
		if err != nil {
			some = append(some, err)
		}
	}
	switch len(some) {
	case 0:
		return nil
	case 1:
		return some[0]
	}
	return some
}

func (e severalErrors) Error() string {
	text := make([]string, len(e))
	for i, err := range e {
		text[i] = err.Error()
	}
	return strings.Join(text, "; ")
}

func (e severalErrors) Unwrap() []error { return e }
