package mount

import (
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Kind is how a Spec's directories become one tree.
type Kind uint8

const (
	// Bind shows one directory: the only Lower read-only, or Upper writable.
	Bind Kind = iota + 1
	// Overlay shows Lower beneath Upper. A single Lower without Upper is
	// shown as by Bind, since the kernel makes no overlay of one directory.
	Overlay
)

// MaxLowers is how many lower directories the kernel takes.
const MaxLowers = 500

// maxValue is the longest value of an option in a file system context.
const maxValue = 255

// Spec says what to mount. The caller keeps the directories open until the
// call that takes the Spec has returned.
type Spec struct {
	Kind Kind
	// Lower are read only, the topmost first.
	Lower []*Pinned
	// Upper takes the writes; nil makes the mount read-only.
	Upper *Pinned
	// Work is overlay's, empty and on the file system of Upper.
	Work *Pinned
	// Label is the SELinux label of all files, or "".
	Label string
	// UserXattr has overlay keep its marks in user.overlay.* attributes,
	// as it must in a user namespace.
	UserXattr bool
}

func (s Spec) invalid(format string, args ...any) error {
	return fmt.Errorf("%w mount: "+format, append([]any{graphdriver.ErrInvalid}, args...)...)
}

// readOnly reports whether nothing can be written through the mount.
func (s Spec) readOnly() bool { return s.Upper == nil }

// bound is the directory that a bind mount shows, nil if it takes an overlay.
func (s Spec) bound() *Pinned {
	switch {
	case s.Kind == Bind && s.Upper != nil:
		return s.Upper
	case s.Kind == Bind, len(s.Lower) == 1 && s.Upper == nil:
		return s.Lower[0]
	}
	return nil
}

func (s Spec) check() error {
	switch {
	case s.Kind != Bind && s.Kind != Overlay:
		return s.invalid("kind %d is unknown", s.Kind)
	case s.Kind == Bind && (len(s.Lower) > 1 || (len(s.Lower) == 1) == (s.Upper != nil) || s.Work != nil):
		return s.invalid("a bind shows one directory, either a lower or an upper")
	case s.Kind == Bind && s.UserXattr:
		return s.invalid("userxattr is for overlays")
	case s.Kind == Overlay && len(s.Lower) == 0:
		return s.invalid("an overlay needs a lower directory")
	case s.Kind == Overlay && (s.Upper == nil) != (s.Work == nil):
		return s.invalid("an upper and a work directory go together")
	case len(s.Lower) > MaxLowers:
		return fmt.Errorf("%w: %d layers, and the kernel's overlay takes %d: squash some", graphdriver.ErrLimit, len(s.Lower), MaxLowers)
	case s.Label != "" && s.bound() != nil:
		return s.invalid("a label needs an overlay of at least two directories, and this mount shows one")
	case len(s.Label) > maxValue || strings.ContainsFunc(s.Label, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r > '~' }):
		return s.invalid("%q is no SELinux label", s.Label)
	}
	return nil
}

// option is one of overlay's: a flag, a value or a directory.
type option struct {
	key, value string
	dir        *Pinned
}

const lowerAppended = "lowerdir+"

// options are those of an overlay, in the order in which they are given.
// What a layer's tree means must not depend on the machine's defaults. A
// directory that an attribute redirects elsewhere is an error to who opens it:
// redirect_dir=off, which Docker gives, makes no redirects but follows them,
// so that a layer could show what its archive never held.
func (s Spec) options() []option {
	var all []option
	for _, l := range s.Lower {
		all = append(all, option{key: lowerAppended, dir: l})
	}
	if s.Upper != nil {
		all = append(all, option{key: "upperdir", dir: s.Upper}, option{key: "workdir", dir: s.Work})
	}
	all = append(all, option{key: "redirect_dir", value: "nofollow"}, option{key: "metacopy", value: "off"}, option{key: "index", value: "off"})
	if s.UserXattr {
		all = append(all, option{key: "userxattr"})
	}
	if s.Label != "" {
		all = append(all, option{key: "context", value: s.Label})
	}
	return all
}
