package archive

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Contents is one image of an archive: its configuration, and where its layers
// are.
type Contents struct {
	ID     image.ID
	Raw    []byte // the configuration
	Config *image.Config
	Layers []Blob // lowest first, one for each diff ID
}

// Blob is a layer as an archive has it.
type Blob struct {
	DiffID layer.DiffID
	// Name is what the archive has it by.
	Name string
	// Promise is what the archive says of it, nil if it says nothing.
	Promise *ocispec.Descriptor
}

// List reads what an archive says it has, as Load does before it reads layers.
func List(in input.Archive, opts LoadOptions) ([]Contents, error) {
	images, err := plan(in, opts.fill())
	if err != nil {
		return nil, err
	}
	all := make([]Contents, len(images))
	for i, p := range images {
		all[i] = Contents{ID: p.id, Raw: p.raw, Config: p.config}
		for k, id := range p.config.DiffIDs() {
			all[i].Layers = append(all[i].Layers, Blob{DiffID: id, Name: p.layers[k].name, Promise: p.layers[k].promise})
		}
	}
	return all, nil
}
