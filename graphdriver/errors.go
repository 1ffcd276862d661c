package graphdriver

import "errors"

var (
	// ErrNotSupported: the driver cannot work here at all.
	ErrNotSupported = errors.New("driver not supported")
	// ErrPrerequisites: something the driver needs is missing.
	ErrPrerequisites = errors.New("prerequisites for driver not satisfied (wrong filesystem?)")
	// ErrIncompatibleFS: the file system beneath the root does not suit.
	ErrIncompatibleFS = errors.New("backing file system is unsupported for this graph driver")
	// ErrNoBackend: selection ran out of drivers.
	ErrNoBackend = errors.New("no supported storage backend found")

	// ErrNotFound: no such layer, or no such file in it.
	ErrNotFound = errors.New("not found")
	// ErrExists: the id is taken.
	ErrExists = errors.New("already exists")
	// ErrBusy: a lock was not to be had before the deadline.
	ErrBusy = errors.New("busy")
	// ErrInvalid: an argument, an archive or a driver's answer breaks the contract.
	ErrInvalid = errors.New("invalid")
	// ErrDenied: the sandbox refused it.
	ErrDenied = errors.New("denied")
	// ErrLimit: a configured bound was reached.
	ErrLimit = errors.New("limit reached")
	// ErrCorrupt: stored data is not what was stored.
	ErrCorrupt = errors.New("corrupt")
	// ErrUseNaive: the driver asks for the comparison of whole trees.
	ErrUseNaive = errors.New("use naive diff")
)

// IsUnsuitable reports whether err only means that this driver does not work
// here, so that selection may go on to the next.
func IsUnsuitable(err error) bool {
	return errors.Is(err, ErrNotSupported) || errors.Is(err, ErrPrerequisites) || errors.Is(err, ErrIncompatibleFS)
}
