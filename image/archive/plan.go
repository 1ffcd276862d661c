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
	names  []reference.Named
	layers []blob // one for each of the configuration's diff IDs
	from   *manifestOf
	parent image.ID
}

// manifestOf is the manifest by which an image came, if one did.
type manifestOf struct {
	mediaType string
	raw       []byte
}

// blob is where in the archive a layer lies, and what the archive promises
// of it: nothing, in a docker-save archive.
type blob struct {
	name    string
	promise *ocispec.Descriptor
	absent  bool // it does not lie there, but the layer is stored
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
	if opts.Names != nil {
		if len(images) > 1 {
			return nil, refuse("%d images in it, and only one can have the name", len(images))
		}
		images[0].names = opts.Names
	}
	return images, nil
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
	p := &planned{id: image.IDOf(raw), raw: raw, config: config}
	if p, err = p.again(layers); err != nil {
		return nil, err
	}
	if config.OS != "" && config.OS != "linux" {
		return nil, refuse("image %s is for %.100q, and cannot be used on linux", p.id.Short(), config.OS)
	}
	return p, nil
}

// again is an image of the same configuration with layers from elsewhere. Of
// no image it is none.
func (p *planned) again(layers []blob) (*planned, error) {
	if p == nil {
		return nil, nil
	}
	if n := len(p.config.RootFS.DiffIDs); n != len(layers) {
		return nil, refuse("image %s: %d layers in the manifest, %d in the configuration", p.id.Short(), len(layers), n)
	}
	return &planned{id: p.id, raw: p.raw, config: p.config, layers: layers}, nil
}

// plans are the images of an archive so far, each once: what is planned is
// held until all of it is loaded.
type plans struct {
	most   int64 // bytes of all configurations
	raw    int64
	images []*planned
	byID   map[image.ID]*planned
}

func newPlans(limits Limits) *plans {
	return &plans{most: limits.Configs, byID: map[image.ID]*planned{}}
}

// add takes an image, or its names if it is there already, and returns the
// one that is kept.
func (s *plans) add(p *planned) (*planned, error) {
	if first := s.byID[p.id]; first != nil {
		first.names = append(first.names, p.names...)
		return first, nil
	}
	if s.raw += int64(len(p.raw)); s.raw > s.most {
		return nil, refuse("the configurations of its images have more than %d bytes together", s.most)
	}
	s.byID[p.id] = p
	s.images = append(s.images, p)
	return p, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", input.ErrRefused, fmt.Errorf(format, args...))
}
