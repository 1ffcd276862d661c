package layer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// stamp is what a stored tree looked like when it was last known to be right:
// a digest of all names with their inodes, sizes and ctimes, which no change
// leaves as they are. It holds on the file system that it was taken on only: a
// copy has other inodes, and a restored one may have the same by chance.
type stamp struct {
	FileSystem string        `json:"fileSystem"`
	Digest     digest.Digest `json:"digest"`
}

// maxStamp is how much is read of a stamp's file, in bytes.
const maxStamp = 4 << 10

const prefixStamp = "stamp-"

func (l layout) stamp(cacheID string) string {
	return filepath.Join(l.state, prefixStamp+cacheID+".json")
}

// stampOf looks at a stored tree; nil where nothing can be known of it.
func (s *Store) stampOf(ctx context.Context, cacheID string) (_ *stamp, err error) {
	trees, ok := s.opts.Driver.(graphdriver.TreeDriver)
	if !ok {
		return nil, nil
	}
	tree, err := trees.StoredTree(ctx, cacheID)
	if errors.Is(err, graphdriver.ErrNotSupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = oneLine(err, tree.Close()) }()
	fileSystem := tree.FileSystem()
	if fileSystem == "" {
		return nil, nil
	}
	root, err := tree.Root(ctx)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	hashNode(h, ".", &root)
	if err := hashDir(ctx, h, tree, "."); err != nil {
		return nil, err
	}
	return &stamp{fileSystem, digest.NewDigest(digest.SHA256, h)}, nil
}

func hashDir(ctx context.Context, h hash.Hash, tree graphdriver.StoredTree, dir string) error {
	names, err := tree.ReadDir(ctx, dir, false)
	if err != nil {
		return err
	}
	for i := range names {
		n := &names[i]
		p := path.Join(dir, n.Name)
		hashNode(h, p, n)
		if n.Kind != layertar.Dir {
			continue
		}
		if err := hashDir(ctx, h, tree, p); err != nil {
			return err
		}
	}
	return nil
}

func hashNode(h hash.Hash, p string, n *graphdriver.StoredNode) {
	var b [8 * 6]byte
	for i, v := range []uint64{uint64(len(p)), n.Ino, uint64(n.Size), uint64(n.CtimeSec), uint64(n.CtimeNsec), uint64(n.Kind)<<32 | uint64(n.Mode)} {
		binary.LittleEndian.PutUint64(b[8*i:], v)
	}
	h.Write(b[:])
	h.Write([]byte(p))
}

// stamped reports whether a tree is as it was when its stamp was taken.
func (s *Store) stamped(ctx context.Context, cacheID string) (bool, error) {
	was := s.readStamp(cacheID)
	if was == nil {
		return false, nil
	}
	is, err := s.stampOf(ctx, cacheID)
	return is != nil && *is == *was, err
}

// readStamp is the stamp of a tree; nil if there is none to be read.
func (s *Store) readStamp(cacheID string) *stamp {
	f, err := os.OpenFile(s.at.stamp(cacheID), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	var was stamp
	if json.NewDecoder(io.LimitReader(f, maxStamp)).Decode(&was) != nil {
		return nil
	}
	return &was
}

// stampBeside looks at the trees of layers while they are made durable. The
// function it returns waits for that and writes the stamps of those that were
// published.
func (s *Store) stampBeside(ctx context.Context, recs []*record) (keep func(published []string)) {
	if _, ok := s.opts.Driver.(graphdriver.TreeDriver); !ok {
		return func([]string) {}
	}
	var ids []string
	for _, rec := range recs {
		ids = append(ids, rec.cacheID)
	}
	found := make(map[string]*stamp, len(ids))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, id := range ids {
			st, err := s.stampOf(ctx, id)
			if err != nil {
				s.opts.Log.Info("a layer cannot be stamped; it will be verified in full", zap.String("cacheID", id), zap.Error(err))
			}
			found[id] = st
		}
	}()
	return func(published []string) {
		<-done
		for _, id := range published {
			s.keepStamp(id, found[id])
		}
	}
}

// keepStamp writes a stamp. It is a hint: without one the tree is read in full
// before it is believed, so that failing to write it is told and no error.
func (s *Store) keepStamp(cacheID string, st *stamp) {
	if err := s.writeStamp(cacheID, st); err != nil {
		s.opts.Log.Info("a stamp could not be written; the layer will be verified in full", zap.String("cacheID", cacheID), zap.Error(err))
	}
}

func (s *Store) writeStamp(cacheID string, st *stamp) error {
	if st == nil {
		return nil
	}
	b, err := json.Marshal(st)
	if err != nil {
		return err
	}
	place := s.at.stamp(cacheID)
	if s.opts.ReadOnly {
		// Who only reads leaves no trace in a root that is another program's.
		if _, err := os.Lstat(filepath.Dir(place)); err != nil {
			return err
		}
	} else if err := s.disk.mkdirAll(filepath.Dir(place), 0o710); err != nil {
		return err
	}
	part := place + "." + randomID()[:12]
	if err := s.disk.write(part, b, 0o600); err != nil {
		return err
	}
	if err := s.disk.rename(part, place); err != nil {
		return oneLine(err, s.disk.remove(part))
	}
	return nil
}

// dropStamp forgets a tree that is gone.
func (s *Store) dropStamp(cacheID string) {
	if _, ok := s.opts.Driver.(graphdriver.TreeDriver); !ok {
		return
	}
	if err := s.disk.remove(s.at.stamp(cacheID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.opts.Log.Info("a stamp stays", zap.Error(err))
	}
}

// dropStamps forgets all trees but those that are known, such as those whose
// removal a crash interrupted, and removes stamps that it left half written.
func (s *Store) dropStamps(known []string) {
	entries, err := os.ReadDir(s.at.state)
	if err != nil {
		return
	}
	keep := make(map[string]struct{}, len(known))
	for _, id := range known {
		keep[id] = struct{}{}
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefixStamp)
		id, _, _ := strings.Cut(rest, ".")
		place := s.at.stamp(id)
		if part := filepath.Join(s.at.state, e.Name()); ok && part != place {
			if err := s.disk.remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.opts.Log.Info("a half of a stamp stays", zap.Error(err))
			}
			continue
		}
		if _, there := keep[id]; ok && !there {
			s.dropStamp(id)
		}
	}
}
