package graphdriver

import "fmt"

// MaxID is the longest layer id in bytes: it becomes part of file names.
const MaxID = 200

// ValidateID accepts what dockerd and moby's tests use as layer ids: letters,
// digits, '_', '.' and '-', beginning with a letter or a digit.
func ValidateID(id string) error {
	if id == "" {
		return fmt.Errorf("layer id is empty: %w", ErrInvalid)
	}
	if len(id) > MaxID {
		return fmt.Errorf("layer id of %d bytes is longer than %d: %w", len(id), MaxID, ErrInvalid)
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || c != '_' && c != '.' && c != '-') {
			return fmt.Errorf("layer id %q: letters, digits, '_', '.', '-' only, beginning with a letter or digit: %w", id, ErrInvalid)
		}
	}
	return nil
}
