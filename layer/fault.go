package layer

import "fmt"

// FaultKind says what sort of thing is wrong. The values are kept: whoever
// reads a report decides by them.
type FaultKind string

const (
	// FaultUnusable: a directory of the layerdb that is no layer any more.
	FaultUnusable FaultKind = "layer-unusable"
	// FaultStranger: a name in the layerdb that no store makes.
	FaultStranger FaultKind = "stranger"
	// FaultRemoving: a removal that was begun and not finished.
	FaultRemoving FaultKind = "removal-unfinished"
	// FaultUnfinished: a layer that was begun and not committed.
	FaultUnfinished FaultKind = "layer-unfinished"
	// FaultTransaction: files of a layer that came to nothing.
	FaultTransaction FaultKind = "transaction-left"
	// FaultAside: a directory that was put aside when its layer was made anew.
	FaultAside FaultKind = "set-aside"
	// FaultShared: two layers name one tree.
	FaultShared FaultKind = "tree-shared"
	// FaultRecord: the record of a layer's archive is missing or unreadable.
	FaultRecord FaultKind = "record-unreadable"
	// FaultTree: the driver has no tree of the layer.
	FaultTree FaultKind = "tree-missing"
	// FaultBuild: the driver's own files about a layer are not in order.
	FaultBuild FaultKind = "tree-unusable"
	// FaultOrphan: a tree of the driver's that no layer and no container has.
	FaultOrphan FaultKind = "tree-orphaned"
	// FaultContainer: a directory of a container's layer that is none any more.
	FaultContainer FaultKind = "container-unusable"
	// FaultMode: others may write what only the owner of the store should.
	FaultMode FaultKind = "writable-by-others"
	// FaultSize: the size that is noted is not the layer's.
	FaultSize FaultKind = "size-wrong"
	// FaultContent: what is stored does not make the archive any more.
	FaultContent FaultKind = "content-altered"
	// FaultFile: one file is not as its archive says.
	FaultFile FaultKind = "file-altered"
	// FaultUnused: a layer that no image and no container has.
	FaultUnused FaultKind = "layer-unused"
)

// Fault is one thing that is not as it has to be.
type Fault struct {
	Kind FaultKind
	// Path is what it is about: a file or directory beneath the store's root,
	// or, of FaultFile, the name in the layer.
	Path string
	// Chain is the layer that it is of, "" for none.
	Chain ChainID
	// What is the fault in words.
	What string
}

func (f Fault) Error() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Path, f.What) }
