package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

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

// Read reads what is noted beneath a Docker root; a root on which no BuildKit
// has worked has nothing. Any other error means that it is not known what is
// BuildKit's.
func Read(ctx context.Context, root string) (Snapshots, error) {
	path := filepath.Join(root, "buildkit", "snapshots.db")
	var s Snapshots
	begin := func() { s = Snapshots{There: true, IDs: map[string]bool{}, Chains: map[string]bool{}} }
	err := bolt.WalkFile(ctx, path, begin, func(buckets [][]byte, key, value []byte) error {
		switch {
		case len(buckets) == 0:
			s.add(key)
		case string(key) == keyCommitted:
			s.add(value)
		case string(key) == keyChainID && len(value) <= maxName:
			s.Chains[string(value)] = true
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		s.There = false
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("what is BuildKit's cannot be told: %s: %w", path, err)
	}
	return s, nil
}

// maxName is as long as a directory can be called: what is longer names no layer.
const maxName = 255

func (s Snapshots) add(name []byte) {
	switch {
	case len(name) > maxName:
	case bytes.HasPrefix(name, []byte(prefixChain)):
		s.Chains[string(name)] = true
	default:
		s.IDs[string(name)] = true
	}
}
