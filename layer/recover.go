package layer

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// prepare makes the directories that writing needs.
func (s *Store) prepare() error {
	return s.makeDirs(0o700, s.at.chains(), s.at.tmp(), s.at.journal())
}

// makeDirs makes directories beneath the root that are not there.
func (s *Store) makeDirs(perm fs.FileMode, dirs ...string) error {
	var ways []string // to what was made: a name is only as durable as those
	for _, dir := range dirs {
		if _, err := os.Lstat(dir); err == nil {
			continue
		}
		if err := s.disk.mkdirAll(dir, perm); err != nil {
			return fmt.Errorf("layer store: %w", err)
		}
		for up := dir; up != s.opts.Root; {
			if up = filepath.Dir(up); !slices.Contains(ways, up) {
				ways = append(ways, up)
			}
		}
	}
	for _, dir := range ways {
		if err := s.disk.sync(dir); err != nil {
			return fmt.Errorf("layer store: %w", err)
		}
	}
	return nil
}

// recover finishes what an earlier process left undone: removals begun, and
// layers in our journal that were not committed. Those in the journal that
// were committed are left to Settle, but for those of containers, which their
// names keep. What cannot be finished is logged and tried again the next time.
func (s *Store) recover(ctx context.Context, layers, removing []found, mounts []foundMount) error {
	committed := make(map[string]bool, len(layers))
	for _, f := range layers {
		committed[f.cacheID] = true
	}
	mounted := make(map[string]bool, 2*len(mounts))
	for _, f := range mounts {
		mounted[f.mountID], mounted[f.initID] = true, true
	}
	for _, f := range removing {
		s.finishRemoval(ctx, f, committed[f.cacheID] || mounted[f.cacheID])
	}
	ids, err := s.intents()
	if err != nil {
		return err
	}
	for _, id := range ids {
		log := s.opts.Log.With(zap.String("cache-id", id))
		if committed[id] {
			s.unsettled = append(s.unsettled, id)
		} else if mounted[id] {
			if err := s.settled([]string{id}); err != nil {
				log.Warn("a layer keeps its journal entry", zap.Error(err))
			}
		} else if err := s.discard(ctx, id); err != nil {
			log.Warn("an unfinished layer stays for now", zap.Error(err))
		} else {
			log.Info("removed a layer that was never committed")
		}
	}
	s.sweepTransactions(committed)
	s.opts.Step(stepRecovered)
	return ctx.Err()
}

func (s *Store) finishRemoval(ctx context.Context, f found, treeInUse bool) {
	log := s.opts.Log.With(zap.String("directory", f.name), zap.String("cache-id", f.cacheID))
	dir := filepath.Join(s.at.chains(), f.name)
	if f.cacheID == "" {
		// Without the name of the tree there is nothing to do, except for the
		// directory that removeDir was about to remove.
		if err := s.disk.remove(dir); err != nil {
			log.Warn("a removal cannot be finished: the directory names no cache id", zap.Error(f.err))
		}
		return
	}
	if !treeInUse {
		if err := s.opts.Driver.Remove(ctx, f.cacheID); err != nil {
			log.Warn("a removal cannot be finished", zap.Error(err))
			return
		}
	}
	if err := s.removeDir(dir); err != nil {
		log.Warn("a removal cannot be finished", zap.Error(err))
		return
	}
	log.Info("finished a removal")
}

// sweepTransactions removes transactions of ours that no journal entry tells
// of any more, or of which a repair has put what it needed into a layer. Names
// of other programs are left alone.
func (s *Store) sweepTransactions(committed map[string]bool) {
	entries, err := os.ReadDir(s.at.tmp())
	if err != nil {
		s.opts.Log.Warn("cannot list transactions", zap.Error(err))
		return
	}
	for _, e := range entries {
		id, ours := strings.CutPrefix(e.Name(), prefixTx)
		if !ours {
			continue
		}
		if s.journalled(id) && !committed[id] {
			continue // its driver part could not be removed; both stay
		}
		if err := s.disk.removeAll(filepath.Join(s.at.tmp(), e.Name())); err != nil {
			s.opts.Log.Warn("a transaction stays for now", zap.String("name", e.Name()), zap.Error(err))
		}
	}
}

// discard removes all traces of a layer that was not committed, in the
// order in which another try can still find them.
func (s *Store) discard(ctx context.Context, cacheID string) error {
	if err := s.opts.Driver.Remove(ctx, cacheID); err != nil {
		return fmt.Errorf("remove layer %s: %w", cacheID, err)
	}
	if err := s.disk.removeAll(s.at.tx(cacheID)); err != nil {
		return fmt.Errorf("remove layer %s: %w", cacheID, err)
	}
	s.opts.Step(stepDiscarded)
	return s.forget(cacheID)
}
