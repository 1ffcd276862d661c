package image

import (
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BuiltOn reports whether child can have been built from parent in one step:
// its history is the parent's and one entry more, or neither has any.
func BuiltOn(child, parent *Config) bool {
	if len(child.History) == 0 && len(parent.History) == 0 {
		return true
	}
	if len(child.History) != len(parent.History)+1 {
		return false
	}
	for i, p := range parent.History {
		if !sameStep(p, child.History[i]) {
			return false
		}
	}
	return true
}

func sameStep(a, b ocispec.History) bool {
	return a.CreatedBy == b.CreatedBy && a.Author == b.Author && a.Comment == b.Comment &&
		a.EmptyLayer == b.EmptyLayer && sameTime(a.Created, b.Created)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
