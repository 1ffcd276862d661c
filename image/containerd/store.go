package containerd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer/bolt"
)

// Where things lie beneath containerd's root.
const (
	metadataFile = "io.containerd.metadata.v1.bolt/meta.db"
	contentDir   = "io.containerd.content.v1.content"
)

const (
	// maxImages bounds what a database can make us hold.
	maxImages = 1 << 16
	maxName   = 4 << 10
)

// Image is a name and what it stands for: a manifest, or an index of them.
type Image struct {
	Name   string
	Target ocispec.Descriptor
}

// Store is the content of one root and the images of one namespace.
type Store struct {
	Namespace string
	// Images are sorted by name.
	Images  []Image
	content input.Archive
}

// Open reads which images there are. Without a namespace there has to be only
// one that has images, or "moby", which is Docker's.
func Open(ctx context.Context, root, namespace string) (*Store, error) {
	found, err := images(ctx, filepath.Join(root, metadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the root of a containerd: it has no %s (Docker's lies at containerd/daemon beneath its root)", root, metadataFile)
	}
	if err != nil {
		return nil, fmt.Errorf("images of the containerd at %s: %w", root, err)
	}
	names := slices.Sorted(maps.Keys(found))
	switch {
	case namespace != "":
		if found[namespace] == nil {
			return nil, fmt.Errorf("the containerd at %s has no images in namespace %q (in: %s)", root, namespace, orNone(names))
		}
	case len(names) == 1:
		namespace = names[0]
	case found["moby"] != nil:
		namespace = "moby"
	default:
		return nil, fmt.Errorf("the containerd at %s has images in several namespaces, or none: choose one with --namespace (%s)", root, orNone(names))
	}
	content, err := input.Open(ctx, filepath.Join(root, contentDir), input.Options{})
	if err != nil {
		return nil, err
	}
	s := &Store{Namespace: namespace, content: content}
	for _, name := range slices.Sorted(maps.Keys(found[namespace])) {
		s.Images = append(s.Images, Image{name, *found[namespace][name]})
	}
	return s, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Close ends the use of the store.
func (s *Store) Close() error { return s.content.Close() }

type namespaces map[string]map[string]*ocispec.Descriptor

// images reads the images of all namespaces.
func images(ctx context.Context, path string) (found namespaces, err error) {
	count := 0
	begin := func() { found, count = namespaces{}, 0 }
	err = bolt.WalkFile(ctx, path, begin, func(buckets [][]byte, key, value []byte) error {
		// v1/<namespace>/images/<name>/target/{digest,mediatype,size}
		if value == nil || len(buckets) != 5 || string(buckets[0]) != "v1" || string(buckets[2]) != "images" || string(buckets[4]) != "target" {
			return nil
		}
		if len(buckets[1]) > maxName || len(buckets[3]) > maxName || len(value) > maxName {
			return fmt.Errorf("%w: a name of more than %d bytes", bolt.ErrCorrupt, maxName)
		}
		space, name := string(buckets[1]), string(buckets[3])
		if found[space] == nil {
			found[space] = map[string]*ocispec.Descriptor{}
		}
		d := found[space][name]
		if d == nil {
			if count++; count > maxImages {
				return fmt.Errorf("it has more than %d images", maxImages)
			}
			d = &ocispec.Descriptor{}
			found[space][name] = d
		}
		switch string(key) {
		case "digest":
			d.Digest = digest.Digest(value)
		case "mediatype":
			d.MediaType = string(value)
		case "size":
			d.Size, _ = binary.Varint(value)
		}
		return nil
	})
	return found, err
}
