package image

import "fmt"

// FaultKind says what sort of thing is wrong. The values are kept: whoever
// reads a report decides by them.
type FaultKind string

const (
	// FaultConfig: the configuration is not what its ID says, or none.
	FaultConfig FaultKind = "config-altered"
	// FaultLayers: the image lacks layers.
	FaultLayers FaultKind = "layers-missing"
	// FaultNames: the file of names cannot be read.
	FaultNames FaultKind = "names-unreadable"
	// FaultName: a name that leads to no image, or is none.
	FaultName FaultKind = "name-dangling"
	// FaultParent: the parent that is noted is no image here.
	FaultParent FaultKind = "parent-missing"
	// FaultNotes: notes about an image that is not there.
	FaultNotes FaultKind = "notes-orphaned"
	// FaultStranger: a name among the configurations that no store makes.
	FaultStranger FaultKind = "stranger"
	// FaultUnfinished: what was being written when its process ended.
	FaultUnfinished FaultKind = "write-unfinished"
	// FaultMode: others may write what only the owner of the store should.
	FaultMode FaultKind = "writable-by-others"
)

// Fault is one thing that is not as it has to be.
type Fault struct {
	Kind FaultKind
	// Path is a file or directory beneath the store's root.
	Path string
	// Image is the one that it is of, "" for none; Name its name, of FaultName.
	Image ID
	Name  string
	// What is the fault in words.
	What string
}

func (f Fault) Error() string { return fmt.Sprintf("%s: %s: %s", f.Kind, f.Path, f.What) }
