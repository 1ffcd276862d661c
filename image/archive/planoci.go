package archive

import (
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
)

// errNotOCI: the archive has no index.json.
var errNotOCI = errors.New("not an OCI layout")

const (
	// maxNesting is how deep indexes may lie in indexes.
	maxNesting = 4

	dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig       = "application/vnd.docker.container.image.v1+json"
	dockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
	dockerLayerGzip    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	dockerLayerZstd    = "application/vnd.docker.image.rootfs.diff.tar.zstd"
)

// document is the union of an OCI index and an OCI manifest: what claims to
// be both is neither.
type document struct {
	MediaType string               `json:"mediaType"`
	Manifests []ocispec.Descriptor `json:"manifests"`
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
}

// ociPlan is one reading of an OCI layout.
type ociPlan struct {
	in   input.Archive
	opts LoadOptions
	read int // documents read, to bound the work
	// manifests and configs were read before, by what describes them.
	manifests, configs map[described]*planned
}

// described is what tells one document from another.
type described struct {
	mediaType string
	digest    digest.Digest
	size      int64
}

func describe(d ocispec.Descriptor) described { return described{d.MediaType, d.Digest, d.Size} }

// planOCI reads index.json and what it leads to. Every entry is an image of
// its own; where one is an index, the image for this platform is taken.
func planOCI(in input.Archive, opts LoadOptions) ([]*planned, error) {
	data, err := readDocument(in, "index.json", opts.Limits.Manifest)
	if errors.Is(err, input.ErrMissing) {
		return nil, errNotOCI
	}
	if err != nil {
		return nil, err
	}
	r := &ociPlan{in: in, opts: opts, manifests: map[described]*planned{}, configs: map[described]*planned{}}
	index, err := r.index("index.json", data)
	if err != nil {
		return nil, err
	}
	images := newPlans(opts.Limits)
	for _, group := range group(index.Manifests) {
		chosen, err := r.choose(group, 0)
		if err != nil {
			return nil, err
		}
		for _, c := range chosen {
			p, err := r.image(c)
			if err != nil {
				return nil, err
			}
			if r.manifests[describe(c)], err = images.add(p); err != nil {
				return nil, err
			}
		}
	}
	return images.images, nil
}

// index reads an index that is not longer than allowed.
func (r *ociPlan) index(name string, data []byte) (*document, error) {
	doc, err := parseIndex(name, data)
	if err == nil && len(doc.Manifests) > r.opts.Limits.Images {
		return nil, refuse("%s lists %d images, more than %d", name, len(doc.Manifests), r.opts.Limits.Images)
	}
	return doc, err
}

func parseIndex(name string, data []byte) (*document, error) {
	var doc document
	if err := decode(name, data, &doc); err != nil {
		return nil, err
	}
	if doc.Config != nil || doc.Layers != nil || doc.MediaType != "" && !isIndex(doc.MediaType) {
		return nil, refuse("%s is not an image index", name)
	}
	return &doc, nil
}

// parseImageManifest reads a manifest that was described as mediaType.
func parseImageManifest(name, mediaType string, data []byte) (*document, error) {
	var doc document
	if err := decode(name, data, &doc); err != nil {
		return nil, err
	}
	if doc.Manifests != nil || doc.Config == nil || doc.MediaType != "" && doc.MediaType != mediaType {
		return nil, refuse("%s is not the image manifest that it is described as", name)
	}
	if t := doc.Config.MediaType; t != ocispec.MediaTypeImageConfig && t != dockerConfig {
		return nil, refuse("%s is of an artifact (%.100q) and not of an image", name, t)
	}
	return &doc, nil
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerManifestList
}

func isManifest(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageManifest || mediaType == dockerManifest
}

// group puts entries of one name together, since they are one image for
// several platforms; those without a name stand alone, as one group.
func group(entries []ocispec.Descriptor) [][]ocispec.Descriptor {
	var groups [][]ocispec.Descriptor
	for _, e := range entries {
		i := slices.IndexFunc(groups, func(g []ocispec.Descriptor) bool {
			return g[0].Annotations[ocispec.AnnotationRefName] == e.Annotations[ocispec.AnnotationRefName] &&
				g[0].Annotations[annotationImageName] == e.Annotations[annotationImageName]
		})
		if i < 0 {
			groups = append(groups, []ocispec.Descriptor{e})
			continue
		}
		groups[i] = append(groups[i], e)
	}
	return groups
}

// image reads one manifest and the configuration that it names.
func (r *ociPlan) image(d ocispec.Descriptor) (*planned, error) {
	p, err := r.unnamed(d)
	if err != nil {
		return nil, err
	}
	p.names, err = ociNames(d.Annotations)
	return p, err
}

func (r *ociPlan) unnamed(d ocispec.Descriptor) (*planned, error) {
	if known := r.manifests[describe(d)]; known != nil {
		return known.again(known.layers)
	}
	data, err := r.blob(d)
	if err != nil {
		return nil, err
	}
	m, err := parseImageManifest(blobPath(d.Digest), d.MediaType, data)
	if err != nil {
		return nil, err
	}
	layers := make([]blob, len(m.Layers))
	for i := range m.Layers {
		name, err := blobName(m.Layers[i])
		if err != nil {
			return nil, err
		}
		layers[i] = blob{name: name, promise: &m.Layers[i]}
	}
	from := &manifestOf{d.MediaType, data}
	if known := r.configs[describe(*m.Config)]; known != nil {
		p, err := known.again(layers)
		if err == nil {
			p.from = from
		}
		return p, err
	}
	raw, err := readBlob(r.in, *m.Config, r.opts.Limits.Config)
	if err != nil {
		return nil, err
	}
	p, err := newPlanned(raw, layers)
	if err == nil {
		p.from = from
		r.configs[describe(*m.Config)] = p
	}
	return p, err
}

// blob reads one manifest or index.
func (r *ociPlan) blob(d ocispec.Descriptor) ([]byte, error) {
	if r.read++; r.read > r.opts.Limits.Images {
		return nil, refuse("more than %d manifests and indexes", r.opts.Limits.Images)
	}
	return readBlob(r.in, d, r.opts.Limits.Manifest)
}
