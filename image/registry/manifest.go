package registry

import (
	"encoding/json"
	"fmt"
	"mime"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

const (
	dockerManifest     = "application/vnd.docker.distribution.manifest.v2+json"
	dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig       = "application/vnd.docker.container.image.v1+json"
	dockerLayer        = "application/vnd.docker.image.rootfs.diff.tar"
	schema1            = "application/vnd.docker.distribution.manifest.v1"
)

// acceptable are the documents that we ask for.
var acceptable = []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, dockerManifest, dockerManifestList}

// describe is the descriptor of a manifest or index that a registry sent for a
// tag, or for the digest want.
func describe(data []byte, contentType string, want digest.Digest) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{Size: int64(len(data)), Digest: digest.FromBytes(data)}
	if want != "" {
		if d.Digest = want.Algorithm().FromBytes(data); d.Digest != want {
			return d, refuse("asked for %s, the registry sent %s", want, d.Digest)
		}
	}
	var doc struct {
		SchemaVersion int    `json:"schemaVersion"`
		MediaType     string `json:"mediaType"`
	}
	if err := jsonsize.Check(data); err != nil {
		return d, refuse("manifest: %w", err)
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return d, refuse("manifest: not one: %.100s", printable(err.Error(), maxSaid))
	}
	mediaType, _, _ := mime.ParseMediaType(contentType) // what is none is none of ours either
	if doc.SchemaVersion == 1 || strings.HasPrefix(mediaType, schema1) {
		return d, refuse("the image is in Docker's first format (schema 1), which has no digests of layers: push it again with Docker 1.10 or newer, and pull that")
	}
	if d.MediaType = doc.MediaType; d.MediaType == "" {
		d.MediaType = mediaType
	}
	for _, known := range acceptable {
		if d.MediaType == known {
			return d, nil
		}
	}
	return d, refuse("neither an image nor an index, but %.100q", d.MediaType)
}

// index is the layout's index.json: the one thing that the reference names.
func (s *Source) index() ([]byte, error) {
	return json.Marshal(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{s.top},
	})
}

// learn holds a document that was fetched and notes what it describes.
func (s *Source) learn(d ocispec.Descriptor, kind string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held += int64(len(data)); s.held > maxDocuments {
		return refuse("its manifests and configurations have more than %d bytes together", int64(maxDocuments))
	}
	s.known[d.Digest] = known{desc: d, kind: kind}
	s.docs[d.Digest] = data
	if kind != "manifests" {
		return nil
	}
	var doc struct {
		Manifests []ocispec.Descriptor `json:"manifests"`
		Config    *ocispec.Descriptor  `json:"config"`
		Layers    []ocispec.Descriptor `json:"layers"`
	}
	if err := jsonsize.Check(data); err != nil {
		return refuse("manifest %s: %w", d.Digest, err)
	}
	if json.Unmarshal(data, &doc) != nil {
		return nil // what it is, whoever plans the image says
	}
	for _, m := range doc.Manifests {
		s.note(m, "manifests")
	}
	for _, l := range doc.Layers {
		s.note(l, "blobs")
	}
	if doc.Config != nil {
		s.note(*doc.Config, "blobs")
	}
	return nil
}

// note remembers what is said of a blob. The first word holds: that others
// differ is found when they are held to it.
func (s *Source) note(d ocispec.Descriptor, kind string) {
	if d.Digest.Validate() != nil || d.Size < 0 {
		return
	}
	if _, there := s.known[d.Digest]; !there {
		s.known[d.Digest] = known{desc: d, kind: kind}
	}
}

// document fetches a manifest or a configuration.
func (s *Source) document(d digest.Digest, what known) ([]byte, error) {
	s.mu.Lock()
	data, ok := s.docs[d]
	s.mu.Unlock()
	if ok {
		return data, nil
	}
	var accept []string
	if what.kind == "manifests" {
		accept = []string{what.desc.MediaType}
	}
	err := s.each(s.ctx, func(e *endpoint) (err error) {
		if data, _, err = e.document(s.ctx, what.kind, d.String(), accept, what.desc.Size); err != nil {
			return err
		}
		if got := d.Algorithm().FromBytes(data); got != d {
			return refuse("%s has digest %s", d, got)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	return data, s.learn(what.desc, what.kind, data)
}
