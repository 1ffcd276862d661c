package graphdriver

import (
	"path"
	"slices"
	"strings"
)

// ChangeKind is what happened to a path. The values are Docker's.
type ChangeKind int

const (
	Modified ChangeKind = iota
	Added
	Deleted
)

// String is the letter that `docker diff` prints.
func (k ChangeKind) String() string {
	switch k {
	case Modified:
		return "C"
	case Added:
		return "A"
	case Deleted:
		return "D"
	}
	return "?"
}

// Change is one path that differs between two trees. Path is absolute within
// the tree ("/etc/passwd"), clean, and need not be UTF-8.
type Change struct {
	Path string
	Kind ChangeKind
}

func (c Change) String() string { return c.Kind.String() + " " + c.Path }

// NormalizeChanges sorts by path, drops repetitions and adds every directory
// that holds a change as Modified, as moby lists them.
func NormalizeChanges(in []Change) []Change {
	seen := make(map[string]ChangeKind, len(in))
	for _, c := range in {
		seen[c.Path] = c.Kind
	}
	for _, c := range in {
		for dir := path.Dir(c.Path); dir != "/" && dir != "."; dir = path.Dir(dir) {
			if _, ok := seen[dir]; ok {
				break
			}
			seen[dir] = Modified
		}
	}
	out := make([]Change, 0, len(seen))
	for p, k := range seen {
		out = append(out, Change{Path: p, Kind: k})
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}
