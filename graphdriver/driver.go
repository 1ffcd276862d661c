package graphdriver

import (
	"context"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// CreateOptions are what Create and CreateReadWrite take beside the ids.
// The zero value asks for nothing.
type CreateOptions struct {
	// MountLabel is an SELinux label, or "".
	MountLabel string
	// StorageOpt are the driver's own per-layer options (Docker's
	// --storage-opt). A driver refuses keys it does not know.
	StorageOpt map[string]string
}

// Pair is one line of low level information, in the driver's own order.
type Pair struct{ Key, Value string }

// ProtoDriver is the minimum a graph driver provides; naivediff.New turns it
// into a Driver.
//
// id and parent are layer ids as ValidateID accepts them; parent may be "".
// Every method ends early with ctx's error when ctx is done. All methods may
// be called concurrently; a driver serialises mutations of one id itself.
type ProtoDriver interface {
	// String returns the driver's name.
	String() string
	// CreateReadWrite creates a layer that is to be a container's storage.
	// An id that exists is ErrExists.
	CreateReadWrite(ctx context.Context, id, parent string, opts CreateOptions) error
	// Create creates a layer that is to be filled by ApplyDiff.
	// An id that exists is ErrExists.
	Create(ctx context.Context, id, parent string, opts CreateOptions) error
	// Remove removes the layer. An unknown id is no error.
	Remove(ctx context.Context, id string) error
	// Get makes the layer's tree available and returns the absolute path of
	// its root. Calls nest: each is undone by one Put.
	Get(ctx context.Context, id, mountLabel string) (dir string, err error)
	// Put undoes one Get. An unknown id, or one without a Get, is no error.
	Put(ctx context.Context, id string) error
	// Exists reports whether the layer is known to the driver.
	Exists(ctx context.Context, id string) (bool, error)
	// Status describes the driver itself.
	Status(ctx context.Context) ([]Pair, error)
	// GetMetadata describes one layer. An unknown id is ErrNotFound.
	GetMetadata(ctx context.Context, id string) (map[string]string, error)
	// Cleanup releases whatever the driver holds, such as mounts left over.
	Cleanup(ctx context.Context) error
}

// DiffDriver is what turns a store of trees into a store of layers.
// parent may be any ancestor of id, or "" for all of id's content.
type DiffDriver interface {
	// Diff returns an uncompressed tar of what is needed to turn parent's
	// tree into id's. The caller reads it to the end or closes it early; an
	// error after the first byte is returned by Read, never as io.EOF.
	Diff(ctx context.Context, id, parent string) (io.ReadCloser, error)
	// Changes lists the differences between parent's tree and id's, sorted
	// by path, with the directories that hold a change. With parent "" all
	// are additions.
	Changes(ctx context.Context, id, parent string) ([]Change, error)
	// ApplyDiff extracts an uncompressed tar into the layer and returns the
	// size in bytes of the regular files that it brought, hard links counted
	// once; a driver that keeps Deltas returns that of all it made that is no
	// directory. Both are moby's rules. It reads diff to its end.
	ApplyDiff(ctx context.Context, id, parent string, diff io.Reader) (size int64, err error)
	// DiffSize returns the size in bytes of the changes against parent.
	DiffSize(ctx context.Context, id, parent string) (size int64, err error)
}

// Driver is a complete graph driver.
type Driver interface {
	ProtoDriver
	DiffDriver
}

// FileGetCloser reads the files of one layer by the names its tar used.
type FileGetCloser interface {
	// Get opens the regular file that an archive entry called name wrote.
	Get(name string) (io.ReadCloser, error)
	// Close releases the layer. It does not wait for files still open.
	Close() error
}

// DiffGetterDriver is a Driver whose files can be read for tar-split without
// Get, which may mount.
type DiffGetterDriver interface {
	Driver
	DiffGetter(ctx context.Context, id string) (FileGetCloser, error)
}

// EntryApplier is ApplyDiff for a caller that has parsed the archive already:
// one parse then feeds the driver, the digest and tar-split. The result is
// that of ApplyDiff. The driver reads src to its end, or returns an error.
type EntryApplier interface {
	ApplyEntries(ctx context.Context, id, parent string, src layertar.Source) (size int64, err error)
}

// EarlyApplier is an EntryApplier that begins while the layers beneath are being
// applied too. A driver is asked to that claims DiffIndependentOfParent; its
// Create may come as early.
type EarlyApplier interface {
	EntryApplier
	// ApplyEntriesEarly is ApplyEntries. It calls beneath before it looks at
	// what lies beneath the layer: that returns when all of it is there, or
	// the error for which it never will be, and may be called again.
	ApplyEntriesEarly(ctx context.Context, id, parent string, src layertar.Source, beneath func(context.Context) error) (size int64, err error)
}

// Sealer is told which layers are committed. From then on nothing but Remove
// of its own id may change such a layer. Sealing twice is no error.
type Sealer interface {
	Seal(ctx context.Context, ids ...string) error
}

// Syncer makes everything written so far for the layers durable, in one go.
// A caller that gets no Syncer syncs the file system of the driver's root.
type Syncer interface {
	SyncLayers(ctx context.Context, ids ...string) error
}

// Mount is one place where a layer's tree is mounted.
type Mount struct {
	ID     string // of the layer
	Target string // absolute
	// ReadWrite tells whether it can be written to.
	ReadWrite bool
	// Temporary mounts end with the process that made them.
	Temporary bool
}

// Mounter mounts the trees of layers for others than this process. Mounts
// outlive it, and count for all.
type Mounter interface {
	// MountAt mounts the layer's tree on target, an existing, empty
	// directory; "" makes one. A sealed layer is mounted read-only.
	MountAt(ctx context.Context, id, mountLabel, target string) (Mount, error)
	// UnmountAt undoes it. Lazy takes it away even if it is in use.
	UnmountAt(ctx context.Context, target string, lazy bool) error
	// Mounts lists what is mounted, of all processes.
	Mounts(ctx context.Context) ([]Mount, error)
}

// Genealogist is told by who keeps the layers which lies on which, parents by
// id: a driver may not know that of layers that another program wrote.
type Genealogist interface {
	SetParents(parents map[string]string)
}

// Prober looks whether what a driver keeps about a layer is in order: that it
// could be made available. It mounts nothing and writes nothing. An error that
// wraps ErrCorrupt or ErrNotFound says what is wrong.
type Prober interface {
	ProbeLayer(ctx context.Context, id string) error
}

// Mender puts right what of a driver's layers was damaged behind its back.
type Mender interface {
	// MendLayer makes right what the driver itself notes about a layer that lies
	// on parent, "" for none. A layer that is not there is made, empty; what the
	// tree of one that is there holds is left alone.
	MendLayer(ctx context.Context, id, parent string) error
	// ExchangeTrees makes what one layer holds the other's, and the other way
	// round, in one step and durably. With keepTime the root directory that id
	// gets has the modification time of the one that it had. A layer that is
	// mounted is ErrBusy.
	ExchangeTrees(ctx context.Context, id, other string, keepTime bool) error
	// Idle is ErrBusy, and says where, if one of the layers is mounted, be it by
	// another program at a place of the driver's home.
	Idle(ctx context.Context, ids ...string) error
}

// Enumerator lists the driver's layers but for those that are known.
type Enumerator interface {
	LayersBeside(ctx context.Context, known func(id string) bool) ([]string, error)
}

// Checker tells whether a path is a mount point of the kind it checks for.
type Checker interface {
	IsMounted(path string) bool
}

// Capabilities are claims that let a caller take a faster road. None is
// believed where being wrong could lose data.
type Capabilities struct {
	// ReproducesExactDiffs: Diff against the direct parent yields, byte for
	// byte, the archive that ApplyDiff was given.
	ReproducesExactDiffs bool
	// DiffIndependentOfParent: a layer can be created and applied while its
	// parent, which is created, is being applied. A driver that finds it cannot
	// after all says ErrBusy, and is asked again when the parent is complete.
	DiffIndependentOfParent bool
	// Deltas: a layer is stored as what it adds to its parent. An entry whose
	// path leads through a symlink of a layer beneath then makes a directory
	// in its place, as in moby.
	Deltas bool
}

// CapabilityDriver is a driver with claims.
type CapabilityDriver interface {
	Capabilities() Capabilities
}

// CapabilitiesOf returns the claims of a driver, none if it makes none.
func CapabilitiesOf(d ProtoDriver) Capabilities {
	if c, ok := d.(CapabilityDriver); ok {
		return c.Capabilities()
	}
	return Capabilities{}
}
