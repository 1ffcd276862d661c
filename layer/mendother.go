package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Probe asks the driver whether a layer could be used, without reading it.
func (s *Store) Probe(ctx context.Context, id ChainID) error {
	return s.with(ctx, id, func(rec *record) (err error) {
		return s.examineTree(ctx, rec.cacheID, rec.chain, func(f Fault) error { return f })
	})
}

// Sharing are the layers that name one tree with another.
func (s *Store) Sharing() (out []ChainID) {
	owners := map[string]int{}
	for _, rec := range s.sorted() {
		owners[rec.cacheID]++
	}
	for _, rec := range s.sorted() {
		if owners[rec.cacheID] > 1 {
			out = append(out, rec.chain)
		}
	}
	return out
}

// TakeBack undoes the beginning of a removal of a layer that is used all the
// same; it is as good as it still is.
func (s *Store) TakeBack(ctx context.Context, dir string) error {
	hex, removing := strings.CutSuffix(filepath.Base(dir), suffixRemoving)
	hex, _, _ = strings.Cut(hex, "-")
	chain := ChainID(digest.NewDigestFromEncoded(digest.SHA256, hex))
	if !removing || !ValidDigest(digest.Digest(chain)) {
		return fmt.Errorf("%s: not the removal of a layer: %w", dir, ErrNotFound)
	}
	place := s.at.chain(chain)
	if _, err := os.Lstat(place); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", place, fs.ErrExist)
	}
	if err := s.disk.rename(filepath.Join(s.at.chains(), filepath.Base(dir)), place); err != nil {
		return err
	}
	return oneLine(s.disk.sync(s.at.chains()), s.reload(ctx))
}

// RemovalOf is the layer whose removal a directory of that name began.
func RemovalOf(dir string) (ChainID, bool) {
	name, ok := removingChain(filepath.Base(dir))
	hex, _, _ := strings.Cut(name, "-")
	chain := digest.NewDigestFromEncoded(digest.SHA256, hex)
	return ChainID(chain), ok && ValidDigest(chain)
}

// KeepOrphan makes a tree that nobody has one that a repair put aside.
func (s *Store) KeepOrphan(ctx context.Context, id string) error {
	orphans, err := s.orphans(ctx)
	if err != nil {
		return err
	}
	for _, o := range orphans {
		if o == id {
			u := s.NewUndo("a tree that nobody had")
			u.id = id
			return u.begin()
		}
	}
	return fmt.Errorf("tree %s: %w", id, ErrNotFound)
}

// GiveBack takes from others what they could alter a file or directory of the
// store by: it belongs to whom what lies above belongs to, and has the mode
// that Docker and we give such a file.
func (s *Store) GiveBack(path string) error {
	if err := s.guard(path); err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	var st, up unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if err := unix.Lstat(filepath.Join(s.opts.Root, "image", s.opts.DriverName), &up); err != nil {
		return err
	}
	if st.Uid != up.Uid {
		if err := unix.Fchownat(fd, "", int(up.Uid), -1, unix.AT_EMPTY_PATH); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK || st.Mode&0o002 == 0 {
		return nil
	}
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), s.properMode(path, st.Mode))
}

func (s *Store) properMode(path string, mode uint32) uint32 {
	layers := strings.HasPrefix(path, s.at.db+"/")
	dir := mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case dir && strings.HasPrefix(path, s.at.mounts()):
		return 0o755
	case dir:
		return 0o700
	case layers:
		return 0o644
	}
	return 0o600
}
