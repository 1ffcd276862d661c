package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// ociImage is the first image of an OCI archive, as far as it is looked at.
type ociImage struct {
	archive string
	config  []byte
	layers  []string // digests of blobs that are gzip
}

func openOCI(archive string) (*ociImage, error) {
	var index struct{ Manifests []struct{ Digest string } }
	if err := blob(archive, "index.json", decode(&index)); err != nil {
		return nil, err
	}
	if len(index.Manifests) == 0 {
		return nil, fmt.Errorf("%s lists no image", archive)
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := blob(archive, blobName(index.Manifests[0].Digest), decode(&manifest)); err != nil {
		return nil, err
	}
	if len(manifest.Layers) == 0 {
		return nil, fmt.Errorf("the image of %s has no layers", archive)
	}
	img := &ociImage{archive: archive}
	for _, l := range manifest.Layers {
		img.layers = append(img.layers, l.Digest)
	}
	err := blob(archive, blobName(manifest.Config.Digest), func(r io.Reader) error {
		var err error
		img.config, err = io.ReadAll(r)
		return err
	})
	return img, err
}

// layer writes the i-th layer, unpacked.
func (img *ociImage) layer(w io.Writer, i int) error {
	return blob(img.archive, blobName(img.layers[i]), func(r io.Reader) error {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, z)
		return err
	})
}

func blobName(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func decode(v any) func(io.Reader) error {
	return func(r io.Reader) error { return json.NewDecoder(r).Decode(v) }
}

func blob(archive, name string, use func(io.Reader) error) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if err != nil {
			return fmt.Errorf("%s in %s: %w", name, archive, err)
		}
		if strings.TrimPrefix(h.Name, "./") == name {
			return use(tr)
		}
	}
}
