package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer/abreast"
	"github.com/bulkhead/bulkhead/layer/buildkit"
)

// Examine looks for whatever is wrong with the layers, without reading their
// contents, and tells report of each; report may end it with an error. It
// changes nothing. Without a driver only what the layerdb itself shows is
// looked at.
func (s *Store) Examine(ctx context.Context, report func(Fault) error) error {
	for _, look := range []func(context.Context, func(Fault) error) error{
		s.examineBroken, s.examineNames, s.examineLeftovers, s.examineShared, s.examineModes, s.examineLayers, s.examineContainers, s.examineOrphans,
	} {
		if err := look(ctx, report); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// fault makes one of a file beneath the root.
func (s *Store) fault(kind FaultKind, file string, chain ChainID, format string, args ...any) Fault {
	if rel, err := filepath.Rel(s.opts.Root, file); err == nil {
		file = rel
	}
	return Fault{Kind: kind, Path: file, Chain: chain, What: fmt.Sprintf(format, args...)}
}

func (s *Store) examineBroken(_ context.Context, report func(Fault) error) error {
	for _, err := range s.broken {
		var b *BrokenError
		if !errors.As(err, &b) {
			continue
		}
		kind, dir := FaultUnusable, s.at.chains()
		if strings.HasPrefix(b.Dir, "mounts/") {
			kind, dir = FaultContainer, s.at.db
		}
		if err := report(s.fault(kind, filepath.Join(dir, b.Dir), "", "%v", b.Cause)); err != nil {
			return err
		}
	}
	return nil
}

// examineNames looks at what else lies among the layers.
func (s *Store) examineNames(_ context.Context, report func(Fault) error) error {
	entries, err := os.ReadDir(s.at.chains())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.at.chains(), e.Name())
		var f Fault
		switch _, removing := removingChain(e.Name()); {
		case !e.IsDir():
			f = s.fault(FaultStranger, path, "", "is not a directory")
		case removing:
			f = s.fault(FaultRemoving, path, "", "its removal was begun and not finished")
		default:
			continue
		}
		if err := report(f); err != nil {
			return err
		}
	}
	return nil
}

// examineLeftovers looks at what unfinished work has left.
func (s *Store) examineLeftovers(_ context.Context, report func(Fault) error) error {
	for _, at := range []struct {
		dir, what string
		kind      FaultKind
	}{
		{s.at.journal(), "the journal has a layer that was begun, or that lost its last user, and then nothing came", FaultUnfinished},
		{s.at.tmp(), "files of a layer that did not come to be", FaultTransaction},
		{filepath.Join(s.at.state, dirSetAside), "an unusable layer that another took the place of", FaultAside},
	} {
		entries, err := os.ReadDir(at.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			kind := at.kind
			if id, ours := strings.CutPrefix(e.Name(), prefixTx); kind == FaultTransaction && ours {
				if s.journalled(id) {
					continue // told already
				}
				kind = FaultUnfinished
			}
			if err := report(s.fault(kind, filepath.Join(at.dir, e.Name()), "", "%s", at.what)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Unfinished tells whether a layer is one of which Examine says that the
// journal has it: where nothing uses it, it goes with the next command that
// writes.
func (s *Store) Unfinished(l Layer) bool {
	r, ok := l.(*ref)
	return ok && r.s == s && s.journalled(r.rec.Load().cacheID)
}

func (s *Store) journalled(cacheID string) bool {
	_, err := os.Lstat(s.at.intent(cacheID))
	return err == nil
}

func (s *Store) examineShared(_ context.Context, report func(Fault) error) error {
	owners := map[string][]*record{}
	for _, rec := range s.sorted() {
		owners[rec.cacheID] = append(owners[rec.cacheID], rec)
	}
	for _, id := range slices.Sorted(maps.Keys(owners)) {
		for _, rec := range owners[id][1:] {
			if err := report(s.fault(FaultShared, filepath.Join(rec.dir, fileCacheID), rec.chain, "names the tree of %s too", owners[id][0].chain)); err != nil {
				return err
			}
		}
	}
	return nil
}

// examineModes looks for what others could alter.
func (s *Store) examineModes(ctx context.Context, report func(Fault) error) error {
	return ExamineModes(ctx, s.at.db, func(p, what string) error { return report(s.fault(FaultMode, p, "", "%s", what)) })
}

// sorted are all layers, parents before children.
func (s *Store) sorted() []*record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.layers), func(a, b *record) int {
		if a.depth != b.depth {
			return a.depth - b.depth
		}
		return strings.Compare(string(a.chain), string(b.chain))
	})
}

// examineLayers looks at each layer's record and at what the driver has of it.
func (s *Store) examineLayers(ctx context.Context, report func(Fault) error) error {
	if s.opts.Driver == nil && len(s.layers) > 0 {
		if err := report(s.fault(FaultTree, s.opts.DriverHome, "", "the directory of driver %s is not there", s.opts.DriverName)); err != nil {
			return err
		}
	}
	all := s.sorted()
	found := make([][]Fault, len(all))
	err := abreast.Do(ctx, len(all), func(ctx context.Context, i int) error {
		rec := all[i]
		if err := s.examineRecord(rec); err != nil {
			found[i] = append(found[i], s.fault(FaultRecord, filepath.Join(rec.dir, fileTarSplit), rec.chain, "%v", err))
		}
		return s.examineTree(ctx, rec.cacheID, rec.chain, func(f Fault) error {
			found[i] = append(found[i], f)
			return nil
		})
	})
	if err != nil {
		return err
	}
	for _, f := range slices.Concat(found...) {
		if err := report(f); err != nil {
			return err
		}
	}
	return nil
}

// examineRecord looks at the beginning of a layer's tar-split data.
func (s *Store) examineRecord(rec *record) error {
	s.mu.Lock()
	path := rec.dir + "/" + fileTarSplit
	s.mu.Unlock()
	fd, err := openNow(unix.AT_FDCWD, path)
	if errors.Is(err, fs.ErrNotExist) && s.opts.Driver != nil && graphdriver.CapabilitiesOf(s.opts.Driver).ReproducesExactDiffs {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is not there")
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := openFile{fd}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s: %w", path, errNotRegular)
	}
	var head [2]byte
	if _, err := f.Read(head[:]); err != nil || head != [2]byte{0x1f, 0x8b} {
		return errors.New("is not gzip")
	}
	return nil
}

// examineTree asks the driver for a layer.
func (s *Store) examineTree(ctx context.Context, id string, chain ChainID, report func(Fault) error) error {
	driver := s.opts.Driver
	if driver == nil {
		return nil
	}
	p, probes := driver.(graphdriver.Prober)
	var bad error
	if probes {
		if bad = p.ProbeLayer(ctx, id); bad == nil {
			return nil
		}
	}
	place := filepath.Join(s.opts.DriverHome, id)
	ok, err := driver.Exists(ctx, id)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return report(s.fault(FaultBuild, place, chain, "%v", err))
	case !ok:
		return report(s.fault(FaultTree, place, chain, "driver %s has no layer of that id", s.opts.DriverName))
	case bad != nil:
		return report(s.fault(FaultBuild, place, chain, "%v", bad))
	}
	return nil
}

func (s *Store) examineContainers(ctx context.Context, report func(Fault) error) error {
	s.mu.Lock()
	mounts := slices.SortedFunc(maps.Values(s.mounts), func(a, b *mounted) int { return strings.Compare(a.name, b.name) })
	s.mu.Unlock()
	for _, m := range mounts {
		for _, id := range m.ids() {
			if err := s.examineTree(ctx, id, "", report); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) examineOrphans(ctx context.Context, report func(Fault) error) error {
	orphans, err := s.orphans(ctx)
	if err != nil {
		return err
	}
	for _, id := range orphans {
		if err := report(s.fault(FaultOrphan, filepath.Join(s.opts.DriverHome, id), "", "no layer and no container has it")); err != nil {
			return err
		}
	}
	return nil
}

// orphans asks the driver for what nobody knows, BuildKit included. Where it
// cannot be told what BuildKit has, there is none.
func (s *Store) orphans(ctx context.Context) ([]string, error) {
	d, ok := s.opts.Driver.(graphdriver.Enumerator)
	if !ok {
		return nil, nil
	}
	builder, err := buildkit.Read(ctx, s.opts.Root)
	if err != nil {
		s.opts.Log.Info("trees that nobody has are not told", zap.Error(err))
		return nil, ctx.Err()
	}
	known := map[string]bool{}
	ids, err := s.at.scanCacheIDs(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		known[id] = true
	}
	mounts, err := s.at.scanMounts()
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		known[m.mountID], known[m.initID] = true, true
	}
	begun, err := s.intents()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	kept, err := s.undone()
	if err != nil {
		return nil, err
	}
	for _, id := range append(begun, kept...) {
		known[id] = true
	}
	return d.LayersBeside(ctx, func(id string) bool { return known[id] || builder.IDs[id] })
}

// BuildKits are the layers that BuildKit refers to. With an error it cannot be
// told which.
func (s *Store) BuildKits(ctx context.Context) (func(ChainID) bool, error) {
	builder, err := buildkit.Read(ctx, s.opts.Root)
	return func(id ChainID) bool { return builder.Chains[string(id)] }, err
}

// Directory is where a layer's files lie, beneath the store's root.
func (s *Store) Directory(l Layer) string {
	dir := s.at.chain(l.ChainID())
	if rel, err := filepath.Rel(s.opts.Root, dir); err == nil {
		return rel
	}
	return dir
}
