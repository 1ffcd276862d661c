package archive

import (
	"errors"
	"fmt"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
)

// planned is one image of an archive, before any layer was read.
type planned struct {
	id     image.ID
	raw    []byte
	config *image.Config
	names  []reference.NamedTagged
	layers []blob // one for each of the configuration's diff IDs
	parent image.ID
}

// blob is where in the archive a layer lies, and what the archive promises
// of it: nothing, in a docker-save archive.
type blob struct {
	name    string
	promise *ocispec.Descriptor
}

// plan reads all that an archive says of its images. Everything that can be
// refused without reading layers is refused here.
func plan(in input.Archive, opts LoadOptions) ([]*planned, error) {
	images, err := planDocker(in, opts)
	if errors.Is(err, errNotDocker) {
		images, err = planOCI(in, opts)
	}
	if errors.Is(err, errNotOCI) {
		return nil, unknownFormat(in)
	}
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, refuse("there is no image in it")
	}
	return merge(images), nil
}

// unknownFormat says what an archive is that is neither of the two.
func unknownFormat(in input.Archive) error {
	if has(in, "repositories") {
		return refuse("written by Docker before version 1.10 (no manifest.json): load it with such a Docker and save it with a newer one")
	}
	return refuse("neither manifest.json nor index.json in it: not an image archive")
}

func has(in input.Archive, name string) bool {
	f, err := in.Open(name)
	if err != nil {
		return !errors.Is(err, input.ErrMissing)
	}
	return f.Close() == nil
}

// newPlanned checks a configuration and the number of its layers.
func newPlanned(raw []byte, layers []blob) (*planned, error) {
	config, err := image.ParseConfig(raw)
	if err != nil {
		return nil, refuse("%w", err)
	}
	p := &planned{id: image.IDOf(raw), raw: raw, config: config, layers: layers}
	if n := len(config.RootFS.DiffIDs); n != len(layers) {
		return nil, refuse("image %s: %d layers in the manifest, %d in the configuration", p.id.Short(), len(layers), n)
	}
	if config.OS != "" && config.OS != "linux" {
		return nil, refuse("image %s is for %.100q, and cannot be used on linux", p.id.Short(), config.OS)
	}
	return p, nil
}

// merge makes one of images that occur several times.
func merge(images []*planned) []*planned {
	var merged []*planned
	byID := map[image.ID]*planned{}
	for _, p := range images {
		if first := byID[p.id]; first != nil {
			first.names = append(first.names, p.names...)
			continue
		}
		byID[p.id] = p
		merged = append(merged, p)
	}
	return merged
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", input.ErrRefused, fmt.Errorf(format, args...))
}
