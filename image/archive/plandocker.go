package archive

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/refs"
)

// errNotDocker: the archive has no manifest.json.
var errNotDocker = errors.New("not a docker-save archive")

// manifestItem is one image in a docker-save archive's manifest.json.
// (moby image/tarexport.)
type manifestItem struct {
	Config   string
	RepoTags []string
	Layers   []string
	Parent   image.ID `json:",omitempty"`
}

// planDocker reads manifest.json.
func planDocker(in input.Archive, opts LoadOptions) ([]*planned, error) {
	data, err := readDocument(in, "manifest.json", opts.Limits.Manifest)
	if errors.Is(err, input.ErrMissing) {
		return nil, errNotDocker
	}
	if err != nil {
		return nil, err
	}
	items, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	if len(items) > opts.Limits.Images {
		return nil, refuse("manifest.json lists %d images, more than %d", len(items), opts.Limits.Images)
	}
	images, byConfig := newPlans(opts.Limits), map[string]*planned{}
	for _, item := range items {
		p, err := planItem(in, item, byConfig[item.Config], opts)
		if err != nil {
			return nil, err
		}
		if byConfig[item.Config], err = images.add(p); err != nil {
			return nil, err
		}
	}
	return images.images, checkParents(images.images)
}

func parseManifest(data []byte) ([]manifestItem, error) {
	var items []manifestItem
	if err := decode("manifest.json", data, &items); err != nil {
		return nil, err
	}
	return items, nil
}

// planItem plans one image; known is one of the same configuration, if there
// was one.
func planItem(in input.Archive, item manifestItem, known *planned, opts LoadOptions) (*planned, error) {
	layers := make([]blob, len(item.Layers))
	for i, name := range item.Layers {
		layers[i] = blob{name: name}
	}
	p, err := known.again(layers)
	if known == nil {
		p, err = planConfig(in, item, layers, opts)
	}
	if err != nil {
		return nil, err
	}
	p.parent = item.Parent
	for _, name := range item.RepoTags {
		tag, err := refs.ParseTag(name)
		if err != nil {
			return nil, refuse("image %s: %w", p.id.Short(), err)
		}
		p.names = append(p.names, tag)
	}
	return p, nil
}

// planConfig reads the configuration that an item names.
func planConfig(in input.Archive, item manifestItem, layers []blob, opts LoadOptions) (*planned, error) {
	raw, err := readDocument(in, item.Config, opts.Limits.Config)
	if err != nil {
		return nil, err
	}
	if want, ok := promised(item.Config); ok && digest.FromBytes(raw) != want {
		return nil, refuse("%s has digest %s: %w", item.Config, digest.FromBytes(raw), ErrMismatch)
	}
	return newPlanned(raw, layers)
}

// promised is the digest that a file's place in an OCI layout promises. In
// older archives a configuration's name is a digest too, but never was a
// promise: people edit them.
func promised(name string) (digest.Digest, bool) {
	hex, ok := strings.CutPrefix(path.Clean(name), "blobs/sha256/")
	if !ok {
		return "", false
	}
	d := digest.NewDigestFromEncoded(digest.SHA256, hex)
	return d, d.Validate() == nil
}

// checkParents drops parents that are not in the archive and refuses those
// that cannot be what the image was built from.
func checkParents(images []*planned) error {
	byID := map[image.ID]*planned{}
	for _, p := range images {
		byID[p.id] = p
	}
	for _, p := range images {
		parent := byID[p.parent]
		if parent == nil || parent == p {
			p.parent = ""
			continue
		}
		if !image.BuiltOn(p.config, parent.config) {
			return refuse("image %s cannot be the parent of %s: its history is another", parent.id.Short(), p.id.Short())
		}
	}
	return nil
}
