package check

import (
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// Finding is one thing that is not as it has to be.
type Finding struct {
	// Kind is a value of layer.FaultKind or image.FaultKind.
	Kind string
	// Path is a file or directory beneath the root, or, of a file of a layer,
	// its name in the layer.
	Path string
	// Layer is the chain ID of the layer that it is of, "" for none; Images
	// are the IDs of those that it concerns.
	Layer  string   `json:",omitempty"`
	Images []string `json:",omitempty"`
	What   string
	Why    string
	Do     string
}

// advice is why a kind of finding matters and what to do about it.
type advice struct{ why, do string }

const (
	bySource  = "check --repair --from an archive or a root that has it; what was damaged stays as it was until gc"
	byItself  = "check --repair"
	setAside  = "check --repair, which puts it aside until gc"
	leaveIt   = "nothing: the next command that writes finishes it, and check --repair does"
	container = "check --repair, if its files are still there; else see what is left of it before you remove the container"
)

// advised says it of every kind.
func advised() map[string]advice {
	return map[string]advice{
		string(layer.FaultUnusable):    {"the layer, and all on top of it, cannot be used", bySource},
		string(layer.FaultStranger):    {"nobody here made it; it is passed over", setAside},
		string(layer.FaultRemoving):    {"it takes room, and is no layer any more", leaveIt},
		string(layer.FaultUnfinished):  {"it takes room, and is no layer, or one that nothing uses", leaveIt},
		string(layer.FaultTransaction): {"it takes room", setAside},
		string(layer.FaultAside):       {"it takes room; its tree was left where it was", setAside},
		string(layer.FaultShared):      {"removing one of the two would take the other's files", byItself + ", with --from where the tree of one of them is lost"},
		string(layer.FaultRecord):      {"without it the layer's archive cannot be made again, nor its files be proven", bySource},
		string(layer.FaultTree):        {"the files of the layer are not there", bySource},
		string(layer.FaultBuild):       {"the layer cannot be mounted, or nothing made on top of it", byItself + ", with --from where it needs more"},
		string(layer.FaultOrphan):      {"it takes room", "if no other program keeps layers in this driver, check --repair puts it aside until gc"},
		string(layer.FaultContainer):   {"the container's own files cannot be reached by it", container},
		string(layer.FaultMode):        {"whoever may write it can make images say anything", byItself + ", and check --full: what was written meanwhile may be anything"},
		string(layer.FaultSize):        {"listings and limits count wrong", byItself},
		string(layer.FaultContent):     {"a container would see other files, or an export would fail", bySource},
		string(layer.FaultFile):        {"a container would see something else than what was loaded", byItself + ", with --from where content is lost"},
		string(layer.FaultUnused):      {"it takes room, and no image or container has it", "gc, or check --repair --from what has an image of it"},
		string(image.FaultConfig):      {"the image cannot be used, and what it was cannot be told", bySource},
		string(image.FaultLayers):      {"the image cannot be run or saved", bySource},
		string(image.FaultNames):       {"no image has a name, and dockerd would begin a new file", "check --repair --from an archive or a root whose names they were, or put a copy back"},
		string(image.FaultName):        {"whoever asks for the name gets nothing", byItself + ", which takes it from the file; with --from what has the image, that comes back"},
		string(image.FaultParent):      {"removing the image cannot take along what it was built on", byItself},
		string(image.FaultUnfinished):  {"it takes room, and is no configuration", leaveIt},
		string(image.FaultNotes):       {"it takes room", setAside},
	}
}
