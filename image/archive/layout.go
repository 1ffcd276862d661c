package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/layer"
)

// sink takes the files of an archive, in the order in which they come.
type sink interface {
	// dir makes a directory.
	dir(name string) error
	// file writes a small file.
	file(name string, data []byte) error
	// layer writes a layer as name; write yields its bytes and returns how
	// many they were.
	layer(name string, id layer.DiffID, write func(io.Writer) (int64, error)) (int64, error)
	// end completes the archive.
	end() error
}

// write puts the images into a sink: layers first, since the manifests have
// their lengths, which nothing in the store knows beforehand.
func (s *saver) write(ctx context.Context, to sink) error {
	for _, d := range []string{"blobs/", "blobs/sha256/"} {
		if err := to.dir(d); err != nil {
			return err
		}
	}
	sizes := map[layer.DiffID]int64{}
	err := s.eachLayer(func(l layer.Layer) error {
		if s.since.out[l.DiffID()] {
			// Its length is in the manifest, and it is what it should be.
			n, err := copyLayer(ctx, io.Discard, l, silent{})
			sizes[l.DiffID()] = n
			return err
		}
		n, err := to.layer(blobPath(digest.Digest(l.DiffID())), l.DiffID(), func(w io.Writer) (int64, error) {
			return copyLayer(ctx, w, l, s.opts.Progress)
		})
		sizes[l.DiffID()] = n
		return err
	})
	if err != nil {
		return err
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}, Annotations: s.since.annotations()}
	for _, sel := range s.images {
		if err := to.file(blobPath(sel.img.ID.Digest()), sel.img.Raw); err != nil {
			return err
		}
		manifest, err := marshal(sel.manifest(sizes))
		if err != nil {
			return err
		}
		d := digest.FromBytes(manifest)
		if err := to.file(blobPath(d), manifest); err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, s.entries(sel, d, int64(len(manifest)))...)
	}
	if err := s.writeIndexes(to, index); err != nil {
		return err
	}
	return to.end()
}

func (s *saver) writeIndexes(to sink, index ocispec.Index) error {
	files := []struct {
		name string
		v    any
	}{{"index.json", index}}
	if s.opts.Format == DockerArchive {
		files = append(files, []struct {
			name string
			v    any
		}{{"manifest.json", s.dockerManifest()}, {"repositories", s.repositories()}}...)
	}
	files = append(files, struct {
		name string
		v    any
	}{ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}})
	for _, f := range files {
		data, err := marshal(f.v)
		if err != nil {
			return err
		}
		if err := to.file(f.name, data); err != nil {
			return err
		}
	}
	return nil
}

// manifest describes one image; its layers lie uncompressed, under their
// diff IDs.
func (sel *selected) manifest(sizes map[layer.DiffID]int64) ocispec.Manifest {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config: ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageConfig,
			Digest:    sel.img.ID.Digest(),
			Size:      int64(len(sel.img.Raw)),
		},
		Layers: []ocispec.Descriptor{},
	}
	for _, d := range sel.img.RootFS.DiffIDs {
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: sizes[layer.DiffID(d)]})
	}
	return m
}

// entries are the lines of the index for one image: one for each name, or
// one without.
func (s *saver) entries(sel *selected, d digest.Digest, size int64) []ocispec.Descriptor {
	platform := sel.img.Platform()
	entry := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size}
	if platform.OS != "" && platform.Architecture != "" {
		entry.Platform = &platform
	}
	if len(sel.names) == 0 {
		return []ocispec.Descriptor{entry}
	}
	var entries []ocispec.Descriptor
	for _, name := range sel.names {
		named := entry
		named.Annotations = map[string]string{
			annotationImageName:       name.String(),
			ocispec.AnnotationRefName: s.refName(name),
		}
		entries = append(entries, named)
	}
	return entries
}

// refName is the tag, as Docker and containerd write it, unless two names in
// the archive have the same: then it is the whole name, so that tools which
// know no other can tell them apart.
func (s *saver) refName(name reference.NamedTagged) string {
	n := 0
	for _, sel := range s.images {
		for _, other := range sel.names {
			if other.Tag() == name.Tag() {
				n++
			}
		}
	}
	if n > 1 {
		return reference.FamiliarString(name)
	}
	return name.Tag()
}

// dockerManifest is manifest.json.
func (s *saver) dockerManifest() []manifestItem {
	items := make([]manifestItem, 0, len(s.images))
	for _, sel := range s.images {
		item := manifestItem{Config: blobPath(sel.img.ID.Digest()), Layers: []string{}}
		for _, name := range sel.names {
			item.RepoTags = append(item.RepoTags, reference.FamiliarString(name))
		}
		for _, d := range sel.img.RootFS.DiffIDs {
			item.Layers = append(item.Layers, blobPath(d))
		}
		for _, other := range s.images {
			if other.img.ID == sel.img.Parent {
				item.Parent = sel.img.Parent
			}
		}
		items = append(items, item)
	}
	return items
}

// repositories is the file of that name: repository, tag, top layer. Docker
// before 1.10 read nothing else.
func (s *saver) repositories() map[string]map[string]string {
	repos := map[string]map[string]string{}
	for _, sel := range s.images {
		for _, name := range sel.names {
			repo := reference.FamiliarName(name)
			if repos[repo] == nil {
				repos[repo] = map[string]string{}
			}
			top := ""
			if ids := sel.img.RootFS.DiffIDs; len(ids) > 0 {
				top = ids[len(ids)-1].Encoded()
			}
			repos[repo][name.Tag()] = top
		}
	}
	return repos
}

// marshal writes one JSON document, with <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
