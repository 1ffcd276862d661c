package refs

import "errors"

var (
	// ErrNotFound: no such reference.
	ErrNotFound = errors.New("reference does not exist")
	// ErrInvalid: not a name that an image can have.
	ErrInvalid = errors.New("invalid reference")
	// ErrConflict: the reference names another image already.
	ErrConflict = errors.New("reference is taken")
	// ErrCorrupt: repositories.json is not what Docker or bulkhead wrote.
	ErrCorrupt = errors.New("repositories.json is corrupt")
	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("references are open for reading only")
)
