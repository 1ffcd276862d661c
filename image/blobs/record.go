package blobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/internal/durable"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

// Record is the manifest by which an image came or went last, so that it goes
// by the same if it can.
type Record struct {
	MediaType string `json:"mediaType"`
	// Manifest is the document, byte for byte.
	Manifest string `json:"manifest"`
	// Proven are the places in the manifest whose blobs were seen to be,
	// decompressed, the layers of the image. Of others only the manifest's word
	// is known.
	Proven []int `json:"proven,omitempty"`
	// Repositories have its layers, or had them, the last one first.
	Repositories []string `json:"repositories,omitempty"`
}

const (
	// maxRecord bounds what is read of a record.
	maxRecord = 16 << 20
	// maxRepositories is how many are remembered.
	maxRepositories = 8
)

func (s *Store) record(image digest.Digest) (string, error) {
	if err := image.Validate(); err != nil {
		return "", fmt.Errorf("image %.100q: %w", string(image), err)
	}
	return filepath.Join(s.dir, manifests, image.Encoded()), nil
}

// Record is what was noted of an image; ErrMissing if nothing was, or nothing
// that can be read.
func (s *Store) Record(image digest.Digest) (*Record, error) {
	path, err := s.record(image)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = errors.New("too long")
	}
	if err == nil {
		err = jsonsize.Check(data)
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: record of image %s: %w", ErrMissing, image, err)
	}
	return &r, nil
}

// Note records the manifest by which an image came from a repository, or went
// there; repository is "" for an archive.
func (s *Store) Note(image digest.Digest, r Record, repository string) error {
	path, err := s.record(image)
	if err != nil {
		return err
	}
	r.Repositories = nil
	if old, err := s.Record(image); err == nil && old.MediaType == r.MediaType && old.Manifest == r.Manifest {
		r.Repositories = slices.DeleteFunc(old.Repositories, func(n string) bool { return n == repository })
		r.Proven = append(old.Proven, r.Proven...)
	}
	slices.Sort(r.Proven)
	r.Proven = slices.Compact(r.Proven)
	if repository != "" {
		r.Repositories = slices.Insert(r.Repositories, 0, repository)
	}
	r.Repositories = r.Repositories[:min(len(r.Repositories), maxRepositories)]
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := mkdirFor(path); err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}

// Recorded are the images of which there are records.
func (s *Store) Recorded() ([]digest.Digest, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, manifests))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []digest.Digest
	for _, e := range entries {
		if d := digest.NewDigestFromEncoded(digest.SHA256, e.Name()); d.Validate() == nil {
			ids = append(ids, d)
		}
	}
	return ids, nil
}
