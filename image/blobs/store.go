package blobs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// ErrMissing: there is no such blob.
var ErrMissing = errors.New("no such blob")

// Stale is the age at which Sweep takes a download for given up.
const Stale = 7 * 24 * time.Hour

// Store is the directory of a root. Methods may be called concurrently, and by
// several processes.
type Store struct{ dir string }

// Of is the store of a root. Nothing is made before it is needed.
func Of(root string) *Store { return &Store{dir: filepath.Join(root, "bulkhead", "blobs")} }

const (
	partial   = "partial"
	kept      = "kept"
	manifests = "manifests"
)

// path is where the blob of a digest lies. Only a digest that is one has a
// path.
func (s *Store) path(kind string, d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("blob %.100q: %w", string(d), err)
	}
	return filepath.Join(s.dir, kind, d.Algorithm().String(), d.Encoded()), nil
}

// Open opens a blob that is kept. What it says is the reader's to check.
func (s *Store) Open(d digest.Digest) (*os.File, error) {
	path, err := s.path(kept, d)
	if err != nil {
		return nil, err
	}
	f, err := openRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, d)
	}
	return f, err
}

// Remove removes a blob that is kept.
func (s *Store) Remove(d digest.Digest) error {
	path, err := s.path(kept, d)
	if err != nil {
		return err
	}
	return gone(os.Remove(path))
}

// openRegular opens a regular file and nothing else, whatever lies there.
func openRegular(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: remove it", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func mkdirFor(path string) error { return durable.MkdirAll(dirOf(path), 0o700) }

func dirOf(path string) string { return filepath.Dir(path) }
