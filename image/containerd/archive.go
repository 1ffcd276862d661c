package containerd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

const (
	maxDocument = 4 << 20
	// maxNesting is how deep indexes may lie in indexes, maxManifests how many
	// manifests an image may have, and maxListed how many its indexes may list,
	// each time that one is listed.
	maxNesting   = 4
	maxManifests = 256
	maxListed    = 4096

	dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
)

// Manifests are those of an image that containerd has, in the order of the
// index, without what is no image for a platform (attestations). None is an
// error that says what is missing.
func (s *Store) Manifests(img Image) ([]ocispec.Descriptor, error) {
	f := &finding{store: s}
	missing, err := f.beneath(img.Target, 0)
	if err == nil && len(f.all) == 0 {
		err = errors.Join(fmt.Errorf("containerd has no manifest of it: %w", input.ErrMissing), missing)
	}
	return f.all, err
}

// finding is a search for manifests.
type finding struct {
	store  *Store
	all    []ocispec.Descriptor
	listed int
}

// beneath finds what is beneath d. What containerd does not have is no error
// by itself: it keeps only the platforms that somebody asked for.
func (f *finding) beneath(d ocispec.Descriptor, depth int) (missing, err error) {
	if f.listed++; f.listed > maxListed {
		return nil, fmt.Errorf("its indexes list more than %d manifests: %w", maxListed, input.ErrRefused)
	}
	if d.Annotations["vnd.docker.reference.type"] != "" {
		return nil, nil
	}
	data, err := f.store.document(d)
	if errors.Is(err, input.ErrMissing) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	switch d.MediaType {
	case ocispec.MediaTypeImageManifest, dockerManifest:
		if f.all = append(f.all, d); len(f.all) > maxManifests {
			return nil, fmt.Errorf("more than %d manifests: %w", maxManifests, input.ErrRefused)
		}
		return nil, nil
	case ocispec.MediaTypeImageIndex, dockerManifestList:
	default:
		return nil, fmt.Errorf("%.100q is neither a manifest nor an index: %w", d.MediaType, input.ErrRefused)
	}
	if depth == maxNesting {
		return nil, fmt.Errorf("indexes more than %d deep: %w", maxNesting, input.ErrRefused)
	}
	if err := jsonsize.Check(data); err != nil {
		return nil, fmt.Errorf("index %s: %w: %w", d.Digest, err, input.ErrRefused)
	}
	var index ocispec.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("index %s: %w: %w", d.Digest, err, input.ErrRefused)
	}
	for _, m := range index.Manifests {
		gone, err := f.beneath(m, depth+1)
		if err != nil {
			return nil, err
		}
		if missing == nil {
			missing = gone
		}
	}
	return missing, nil
}

// document reads a manifest or an index, and holds it to its digest.
func (s *Store) document(d ocispec.Descriptor) ([]byte, error) {
	if err := d.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%q: %w: %w", d.Digest, err, input.ErrRefused)
	}
	f, err := s.content.Open(blobName(d.Digest))
	if err != nil {
		return nil, err
	}
	if f.Size() > maxDocument {
		return nil, errors.Join(fmt.Errorf("%s has %d bytes: %w", d.Digest, f.Size(), input.ErrRefused), f.Close())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxDocument))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if got := d.Digest.Algorithm().FromBytes(data); got != d.Digest {
		return nil, fmt.Errorf("content %s is %s now: %w", d.Digest, got, input.ErrRefused)
	}
	return data, nil
}

func blobName(d digest.Digest) string { return "blobs/" + d.Algorithm().String() + "/" + d.Encoded() }

// Archive is the image of one manifest, without a name. It is used no longer
// than the store.
func (s *Store) Archive(manifest ocispec.Descriptor) (input.Archive, error) {
	manifest = ocispec.Descriptor{MediaType: manifest.MediaType, Digest: manifest.Digest, Size: manifest.Size}
	index, err := json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{manifest},
	})
	if err != nil {
		return nil, err
	}
	layout, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	return &archive{s.content, map[string][]byte{"index.json": index, ocispec.ImageLayoutFile: layout}}, nil
}

// archive is containerd's content with the documents of a layout.
type archive struct {
	content   input.Archive
	documents map[string][]byte
}

func (a *archive) Open(name string) (input.File, error) {
	if data, ok := a.documents[name]; ok {
		return &memory{bytes.NewReader(data)}, nil
	}
	return a.content.Open(name)
}

func (a *archive) OpenLinked(name string) (input.File, error) { return a.Open(name) }

// Close leaves the content open: it is the store's.
func (a *archive) Close() error { return nil }

type memory struct{ *bytes.Reader }

func (m *memory) Size() int64  { return m.Reader.Size() }
func (m *memory) Close() error { return nil }
