package registry

import (
	"encoding/json"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Format is a kind of manifest.
type Format string

const (
	FormatDocker Format = "docker" // Docker's image manifest, version 2, schema 2
	FormatOCI    Format = "oci"
)

// hints are what is known of layers in their compressed form, from manifests
// by which images came or went.
type hints struct {
	own     *ocispec.Manifest // of the image itself, nil if it is not known
	record  *blobs.Record     // whose own is
	byLayer map[layer.DiffID][]candidate
}

// candidate is a compressed form of a layer.
type candidate struct {
	desc         ocispec.Descriptor
	repositories []string // of the registry that is pushed to
}

// newHints reads the record of the image, and those of others that have layers
// of it.
func newHints(images *image.Store, kept *blobs.Store, img *image.Image, domain string) (*hints, error) {
	h := &hints{byLayer: map[layer.DiffID][]candidate{}}
	if record, err := kept.Record(img.ID.Digest()); err == nil {
		if m := recorded(record, img); m != nil {
			h.own, h.record = m, record
			h.add(img, m, record, domain)
		}
	}
	ids, err := kept.Recorded()
	if err != nil {
		return nil, err
	}
	mine := map[layer.DiffID]bool{}
	for _, id := range img.DiffIDs() {
		mine[id] = true
	}
	for _, id := range ids {
		other, err := images.Get(image.ID(id))
		if err != nil || other.ID == img.ID || !slices.ContainsFunc(other.DiffIDs(), func(d layer.DiffID) bool { return mine[d] }) {
			continue
		}
		record, err := kept.Record(id)
		if err != nil {
			continue
		}
		if m := recorded(record, other); m != nil {
			h.add(other, m, record, domain)
		}
	}
	return h, nil
}

// recorded is the manifest of a record, nil if it is not one of the image.
func recorded(r *blobs.Record, img *image.Image) *ocispec.Manifest {
	if r.MediaType != dockerManifest && r.MediaType != ocispec.MediaTypeImageManifest {
		return nil
	}
	var m ocispec.Manifest
	if json.Unmarshal([]byte(r.Manifest), &m) != nil || m.Config.Digest != img.ID.Digest() || len(m.Layers) != len(img.RootFS.DiffIDs) {
		return nil
	}
	for _, l := range m.Layers {
		if l.Digest.Validate() != nil || l.Size < 0 {
			return nil
		}
	}
	return &m
}

// add notes the layers of an image by its manifest.
func (h *hints) add(img *image.Image, m *ocispec.Manifest, r *blobs.Record, domain string) {
	var repositories []string
	for _, name := range r.Repositories {
		if named, err := reference.ParseNormalizedNamed(name); err == nil && reference.Domain(named) == domain {
			repositories = append(repositories, named.Name())
		}
	}
	for i, id := range img.DiffIDs() {
		if _, known := archive.CompressionOf(m.Layers[i].MediaType); !known || !slices.Contains(r.Proven, i) {
			continue
		}
		at := slices.IndexFunc(h.byLayer[id], func(c candidate) bool { return c.desc.Digest == m.Layers[i].Digest })
		if at >= 0 {
			h.byLayer[id][at].repositories = append(h.byLayer[id][at].repositories, repositories...)
			continue
		}
		h.byLayer[id] = append(h.byLayer[id], candidate{m.Layers[i], repositories})
	}
}

func (h *hints) of(id layer.DiffID) []candidate { return h.byLayer[id] }

// manifest is a manifest as it is sent.
type manifest struct {
	mediaType string
	raw       []byte
}

// manifest is the recorded one, if the layers are those and the format is not
// to be another; otherwise a new one.
func (h *hints) manifest(format Format, config ocispec.Descriptor, layers []ocispec.Descriptor) (manifest, error) {
	if h.own != nil && (format == "" || h.record.MediaType == format.manifest()) && slices.EqualFunc(h.own.Layers, layers, sameBlob) {
		return manifest{h.record.MediaType, []byte(h.record.Manifest)}, nil
	}
	if format == "" {
		format = FormatDocker
		if h.own != nil && h.record.MediaType == ocispec.MediaTypeImageManifest {
			format = FormatOCI
		}
		if slices.ContainsFunc(layers, func(d ocispec.Descriptor) bool {
			kind, _ := archive.CompressionOf(d.MediaType)
			return kind == input.Zstd
		}) {
			format = FormatOCI // the other has no name for zstd that all know
		}
	}
	config.MediaType = ocispec.MediaTypeImageConfig
	if format == FormatDocker {
		config.MediaType = dockerConfig
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: format.manifest(), Config: config, Layers: []ocispec.Descriptor{},
	}
	for _, d := range layers {
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: format.layer(d.MediaType), Digest: d.Digest, Size: d.Size})
	}
	raw, err := json.Marshal(m)
	return manifest{m.MediaType, raw}, err
}

func sameBlob(a, b ocispec.Descriptor) bool { return a.Digest == b.Digest && a.Size == b.Size }

func (f Format) manifest() string {
	if f == FormatOCI {
		return ocispec.MediaTypeImageManifest
	}
	return dockerManifest
}

// layer is what the format calls a layer that is compressed as that type says.
func (f Format) layer(mediaType string) string {
	kind, _ := archive.CompressionOf(mediaType)
	if f == FormatOCI {
		return ocispec.MediaTypeImageLayer + suffix("+", kind)
	}
	return dockerLayer + suffix(".", kind)
}

func suffix(with string, kind input.Compression) string {
	if kind == input.None {
		return ""
	}
	return with + string(kind)
}
