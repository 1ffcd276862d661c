package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/layer/bolt"
)

// Snapshots are what BuildKit has.
type Snapshots struct {
	// There: BuildKit has worked on the root.
	There bool
	// IDs are the driver's layers that are its.
	IDs map[string]bool
	// Chains are the chain IDs of layers of the store that it refers to.
	Chains map[string]bool
}

// In a bucket for each snapshot, by its key, there are these.
const (
	keyCommitted = "committed" // the driver's layer, if that is not the key
	keyChainID   = "chainid"
	prefixChain  = "sha256:" // of a key that is a chain ID
)

// tries is how often a database that is written meanwhile is read.
const tries = 5

// Read reads what is noted beneath a Docker root; a root on which no BuildKit
// has worked has nothing. Any other error means that it is not known what is
// BuildKit's.
func Read(ctx context.Context, root string) (Snapshots, error) {
	path := filepath.Join(root, "buildkit", "snapshots.db")
	for n := 0; ; n++ {
		s, err := read(ctx, path)
		if errors.Is(err, bolt.ErrChanged) && n < tries {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("what is BuildKit's cannot be told: %s: %w", path, err)
		}
		return s, nil
	}
}

func read(ctx context.Context, path string) (Snapshots, error) {
	s := Snapshots{IDs: map[string]bool{}, Chains: map[string]bool{}}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	s.There = true
	fi, err := f.Stat()
	if err != nil {
		return s, err
	}
	if !fi.Mode().IsRegular() {
		return s, fmt.Errorf("%w: not a regular file", bolt.ErrCorrupt)
	}
	db, err := bolt.Open(f, fi.Size())
	if err != nil {
		return s, err
	}
	return s, db.Walk(func(buckets [][]byte, key, value []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case len(buckets) == 0:
			s.add(string(key))
		case string(key) == keyCommitted:
			s.add(string(value))
		case string(key) == keyChainID:
			s.Chains[string(value)] = true
		}
		return nil
	})
}

func (s Snapshots) add(name string) {
	if strings.HasPrefix(name, prefixChain) {
		s.Chains[name] = true
	} else {
		s.IDs[name] = true
	}
}
