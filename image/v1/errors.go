package v1

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

var (
	// ErrDigestNotSet: no digest was noted for the layer.
	ErrDigestNotSet = errors.New("digest is not set for layer")
	// ErrNoConfig: no v1 compatibility configuration was noted for the image.
	ErrNoConfig = errors.New("v1 compatibility configuration is not set for image")
	// ErrInvalidID: an image ID is not 64 hexadecimal digits in lower case.
	ErrInvalidID = errors.New("invalid image ID")
	// ErrForeign: a driver's layer may belong to somebody else.
	ErrForeign = errors.New("layer is not ours to remove")
)

// NotFoundError says which image is not there. It wraps image.ErrNotFound.
type NotFoundError struct {
	Name  string // the ID, or its beginning, as it was asked for
	Cause error  // may be nil
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("%v: %s", image.ErrNotFound, e.Name)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap makes errors.Is find image.ErrNotFound and the cause.
func (e *NotFoundError) Unwrap() []error {
	if e.Cause == nil {
		return []error{image.ErrNotFound}
	}
	return []error{image.ErrNotFound, e.Cause}
}

// CorruptError tells what is wrong with a stored image. It wraps
// image.ErrCorrupt, layer.ErrCorrupt and the cause.
type CorruptError struct {
	ID    string
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("image %s is corrupt: %v", Short(e.ID), e.Cause)
}

// Unwrap makes errors.Is find image.ErrCorrupt, layer.ErrCorrupt and the
// cause.
func (e *CorruptError) Unwrap() []error {
	return []error{image.ErrCorrupt, layer.ErrCorrupt, e.Cause}
}

// WrongIDError is an image that lies where another belongs. It wraps
// image.ErrCorrupt.
type WrongIDError struct {
	At string // the ID that its directory has
	ID string // its own
}

func (e *WrongIDError) Error() string {
	return fmt.Sprintf("image stored at %q has wrong id %q", e.At, e.ID)
}

func (e *WrongIDError) Unwrap() error { return image.ErrCorrupt }

// ForeignLayerError names a layer that the driver has and the graph does not
// know, in a root that was not made here. It wraps ErrForeign and
// graphdriver.ErrExists.
type ForeignLayerError struct{ ID, Driver, Root string }

func (e *ForeignLayerError) Error() string {
	return fmt.Sprintf("driver %s has a layer %s that the graph does not know, and %s was not made by bulkhead: %v; use another root, or remove the layer with the program that made it",
		e.Driver, e.ID, e.Root, ErrForeign)
}

// Unwrap makes errors.Is find ErrForeign and graphdriver.ErrExists.
func (e *ForeignLayerError) Unwrap() []error { return []error{ErrForeign, graphdriver.ErrExists} }

// IsNotExist tells whether err says that the image with this ID, or one whose
// ID begins so, is not there. That another image is missing, such as a
// parent, is not what is asked.
func (g *Graph) IsNotExist(err error, id string) bool {
	var missing *NotFoundError
	return errors.As(err, &missing) && strings.HasPrefix(missing.Name, id)
}

var wholeID = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// ValidateID accepts 64 hexadecimal digits in lower case.
func ValidateID(id string) error {
	if !wholeID.MatchString(id) {
		return fmt.Errorf("%w %.100q: 64 digits of 0-9 and a-f are wanted", ErrInvalidID, id)
	}
	return nil
}

// Short is the form of an ID that people are shown.
func Short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
