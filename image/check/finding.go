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
	loadAgain = "remove the images that have it and load them again from an archive"
	leaveIt   = "nothing: the next command that writes finishes it"
)

// advised says it of every kind.
func advised() map[string]advice {
	return map[string]advice{
		string(layer.FaultUnusable):    {"the layer, and all on top of it, cannot be used", loadAgain},
		string(layer.FaultStranger):    {"nobody here made it; it is passed over", "see what it is, and remove it if nobody needs it"},
		string(layer.FaultRemoving):    {"it takes room, and is no layer any more", leaveIt},
		string(layer.FaultUnfinished):  {"it takes room, and is no layer, or one that nothing uses", leaveIt},
		string(layer.FaultTransaction): {"it takes room", "whoever made it may still want it: if nothing else works on this root, remove it"},
		string(layer.FaultAside):       {"it takes room; its tree was left where it was", "remove it when the layer that took its place has been verified"},
		string(layer.FaultShared):      {"removing one of the two would take the other's files", "remove the images of one of them and load these again"},
		string(layer.FaultRecord):      {"without it the layer's archive cannot be made again, nor its files be proven", loadAgain},
		string(layer.FaultTree):        {"the files of the layer are not there", loadAgain},
		string(layer.FaultBuild):       {"the layer cannot be mounted, or nothing made on top of it", loadAgain},
		string(layer.FaultOrphan):      {"it takes room", "if no other program keeps layers in this driver, remove it"},
		string(layer.FaultContainer):   {"the container's own files cannot be reached by it", "see what is left of the container's layer before you remove it"},
		string(layer.FaultMode):        {"whoever may write it can make images say anything", "give it back to its owner, take the mode away, then check --full"},
		string(layer.FaultSize):        {"listings and limits count wrong", loadAgain},
		string(layer.FaultContent):     {"a container would see other files, or an export would fail", loadAgain},
		string(layer.FaultFile):        {"a container would see something else than what was loaded", loadAgain},
		string(layer.FaultUnused):      {"it takes room, and no image or container has it", "load an image that has it, or leave it to whoever keeps it"},
		string(image.FaultConfig):      {"the image cannot be used, and what it was cannot be told", "remove it by its ID and load it again"},
		string(image.FaultLayers):      {"the image cannot be run or saved", "remove it by its ID and load it again"},
		string(image.FaultNames):       {"no image has a name, and dockerd would begin a new file", "put a copy back, or give the names again after moving it away"},
		string(image.FaultName):        {"whoever asks for the name gets nothing", "take the name away, or load the image again"},
		string(image.FaultParent):      {"removing the image cannot take along what it was built on", "nothing is lost by it"},
		string(image.FaultUnfinished):  {"it takes room, and is no configuration", leaveIt},
		string(image.FaultNotes):       {"it takes room", "remove it"},
	}
}
