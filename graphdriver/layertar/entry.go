package layertar

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ErrRefused is wrapped by every error that an archive's content causes, as
// opposed to a failing reader.
var ErrRefused = errors.New("layer archive refused")

// EntriesError says that an archive has more entries than it may have. It
// wraps ErrRefused.
type EntriesError struct{ Most int64 }

func (e *EntriesError) Error() string { return fmt.Sprintf("archive has more than %d entries", e.Most) }

// Unwrap makes errors.Is find ErrRefused.
func (e *EntriesError) Unwrap() error { return ErrRefused }

// Kind is what an entry asks for.
type Kind uint8

const (
	File Kind = iota + 1
	Dir
	Symlink
	Hardlink
	Char
	Block
	Fifo
	// Whiteout: what lies at Path in lower layers is deleted.
	Whiteout
	// Opaque: what lower layers hold in the directory at Path is deleted.
	Opaque
	// Ignored: the entry is kept for export and asks for nothing (PAX global
	// headers, leftovers of AUFS).
	Ignored
)

var kindNames = [...]string{"?", "file", "directory", "symlink", "hard link", "character device", "block device", "fifo", "whiteout", "opaque marker", "ignored entry"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[0]
	}
	return kindNames[k]
}

// Entry is one entry of a layer's archive.
type Entry struct {
	// Name is the name as the archive has it; CleanName(Name) is where a
	// file's payload is found again.
	Name string
	Kind Kind
	// Path is clean and relative, "." for the root; for a whiteout it is
	// what is deleted, for an opaque marker the directory. Bytes, not text.
	Path string
	// Link is a symlink's target as it stands, or a hard link's clean path.
	Link     string
	Mode     uint32 // permission, setuid, setgid and sticky bits of st_mode
	UID, GID uint32
	Major    uint32
	Minor    uint32
	Size     int64 // payload in bytes; 0 for all but File
	ModTime  time.Time
	// Xattrs are extended attributes, sorted by name.
	Xattrs []Xattr
}

// Xattr is one extended attribute. Both are bytes.
type Xattr struct{ Name, Value string }

// Source yields the entries of one archive in order.
type Source interface {
	// Next returns the next entry, or io.EOF after the last. What was not
	// read of the payload before is passed over. Entries stay valid.
	Next() (*Entry, error)
	// Read reads the payload of the entry that Next returned.
	io.Reader
	// Raw returns the archive itself, for a driver that keeps it as it is,
	// in place of Next and Read. It is refused after the first Next.
	// Reading it to io.EOF parses all of it; an archive that is refused
	// makes Read fail.
	Raw() (io.Reader, error)
}

// Shown is a name of an archive as errors show it: quoted, and its ends alone
// if it is long.
func Shown(name string) string {
	const long, head, tail = 240, 120, 80
	if len(name) > long {
		return strconv.Quote(name[:head]) + "…" + strconv.Quote(name[len(name)-tail:])
	}
	return strconv.Quote(name)
}

// refuse says which entry was refused and why.
func refuse(name, format string, args ...any) error {
	return fmt.Errorf("entry %s: %s: %w", Shown(name), fmt.Sprintf(format, args...), ErrRefused)
}
