package layer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// ErrLost: what a container wrote is not stored any more.
var ErrLost = errors.New("what the container wrote is lost, and no archive has it")

// MendContainer makes right what is noted about a container's layer, which is
// named by itself or by one of its trees. Nothing can bring back a tree; with
// aside the note about a container that has none is put aside.
func (s *Store) MendContainer(ctx context.Context, name string, aside bool) (did []string, err error) {
	mounts, err := s.at.scanMounts()
	if err != nil {
		return nil, err
	}
	for _, f := range mounts {
		if f.name == name || f.mountID == name || f.initID == name {
			did, err = s.mendContainer(ctx, f, aside)
			return did, oneLine(err, s.reload(ctx))
		}
	}
	return nil, fmt.Errorf("container %s: %w", name, ErrNotFound)
}

func (s *Store) mendContainer(ctx context.Context, f foundMount, aside bool) (did []string, err error) {
	undo := s.NewUndo("what a repair of container " + f.name + " replaced")
	orphans, err := s.orphans(ctx)
	if err != nil {
		return nil, err
	}
	orphan := map[string]bool{}
	for _, id := range orphans {
		orphan[id] = true
	}
	for _, file := range []struct {
		name string
		id   *string
		want string // what the other one says that it is
	}{
		{fileMountID, &f.mountID, strings.TrimSuffix(f.initID, suffixInit)},
		{fileInitID, &f.initID, f.mountID + suffixInit},
	} {
		if !orphan[file.want] {
			continue
		}
		ok, err := s.hasTree(ctx, *file.id)
		if err != nil {
			return did, err
		}
		if ok {
			continue
		}
		if err := undo.Write(filepath.Join(s.at.mount(f.name), file.name), []byte(file.want), 0o644); err != nil {
			return did, err
		}
		*file.id = file.want
		delete(orphan, file.want)
		did = append(did, "the file "+file.name+" was made right")
	}
	lost := false
	there := 0
	below := ""
	if rec := s.layers[f.parent]; rec != nil {
		below = rec.cacheID
	} else if f.parent != "" {
		return did, fmt.Errorf("its parent %s is not there: %w", f.parent, ErrNotFound)
	}
	for _, id := range []string{f.initID, f.mountID} {
		if id == "" {
			continue
		}
		ok, err := s.hasTree(ctx, id)
		if err != nil {
			return did, err
		}
		if !ok {
			lost = lost || id == f.mountID
			continue
		}
		there++
		d, ok := s.opts.Driver.(graphdriver.Mender)
		if !ok {
			continue
		}
		if err := s.mendNotes(ctx, d, id, below); err != nil {
			return did, err
		}
		did = append(did, "the driver's notes about "+id+" were made right")
		below = id
	}
	lost = lost || f.mountID == ""
	switch {
	case !lost:
		return did, s.examineContainer(ctx, f)
	case len(orphan) > 0:
		return did, fmt.Errorf("which tree is the container's is not known any more (one of %s); say so in %s: %w",
			strings.Join(slices.Sorted(maps.Keys(orphan)), ", "), fileMountID, ErrLost)
	case there == 0 && aside:
		return append(did, "it has no files any more; what is noted of it was put aside"), undo.Take(s.at.mount(f.name))
	}
	return did, ErrLost
}

// hasTree asks the driver for a tree; "" is none.
func (s *Store) hasTree(ctx context.Context, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	return s.opts.Driver.Exists(ctx, id)
}

// mendNotes has the driver put right what it notes of a container's layer,
// unless that is mounted.
func (s *Store) mendNotes(ctx context.Context, d graphdriver.Mender, id, below string) error {
	if err := d.Idle(ctx, id); err != nil {
		return err
	}
	return d.MendLayer(ctx, id, below)
}

func (s *Store) examineContainer(ctx context.Context, f foundMount) error {
	for _, id := range []string{f.mountID, f.initID} {
		if id == "" {
			continue
		}
		if err := s.examineTree(ctx, id, "", func(f Fault) error { return f }); err != nil {
			return err
		}
	}
	return nil
}
