package graphdriver

import (
	"context"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// StoredNode is one name of a stored tree.
type StoredNode struct {
	Name string
	// Kind is File, Dir, Symlink, Char, Block or Fifo, or Whiteout where the
	// driver's mark of a deletion lies; 0 is anything else.
	Kind     layertar.Kind
	Mode     uint32 // the low twelve bits of st_mode
	UID, GID uint32 // the container's
	Size     int64
	Nlink    uint64
	// Dev and Ino tell which names are of one file.
	Dev, Ino     uint64
	MtimeSec     int64
	CtimeSec     int64
	MtimeNsec    uint32
	CtimeNsec    uint32
	Major, Minor uint32
	Link         string // a symlink's target
	Xattrs       []layertar.Xattr
	// Opaque: a directory that hides what lies beneath it.
	Opaque bool
}

// StoredTree is what lies on disk of one layer, as its driver stores it. It
// may be used by one goroutine.
type StoredTree interface {
	// ReadDir lists a directory, "." for the root, sorted by the bytes of the
	// names. With detail it reads symlinks and extended attributes too.
	ReadDir(ctx context.Context, path string, detail bool) ([]StoredNode, error)
	// Root is the root itself, without a name.
	Root(ctx context.Context) (StoredNode, error)
	// FileSystem identifies the file system that it lies on, so that inode
	// numbers can be told from those of another; "" if that is not known.
	FileSystem() string
	Close() error
}

// TreeDriver is a Driver whose stored trees can be read: what of a layer lies
// where its entries went. With the capability Deltas that is what the layer
// adds, with whiteouts; without, it is the whole tree.
type TreeDriver interface {
	StoredTree(ctx context.Context, id string) (StoredTree, error)
}
