package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// List returns the mounts that are there, sorted by target. One that was
// moved is listed where it is. What lies in another mount namespace that some
// process is in counts as being there.
func (r *Records) List(ctx context.Context) ([]Record, error) {
	root, unlock, err := r.lock(ctx, false)
	if err != nil || root == nil {
		return nil, err
	}
	defer unlock()
	return liveIn(root)
}

// Live counts the mounts of a key, of all processes.
func (r *Records) Live(ctx context.Context, key string) (int, error) {
	all, err := r.List(ctx)
	n := 0
	for _, l := range all {
		if l.Key == key {
			n++
		}
	}
	return n, err
}

func liveIn(root *os.Root) ([]Record, error) {
	all, err := readAll(root)
	if err != nil {
		return nil, err
	}
	here, err := lookAround()
	if err != nil {
		return nil, err
	}
	var live []Record
	for _, s := range all {
		at, ok := s.find(here)
		if !ok {
			continue
		}
		s.Target, s.Elsewhere = at, s.Where.Mounts != here.Mounts
		live = append(live, s.Record)
	}
	return live, nil
}

// surroundings are what a record is held against.
type surroundings struct {
	where
	table Table
}

func lookAround() (surroundings, error) {
	here, err := whereHere()
	if err != nil {
		return surroundings{}, err
	}
	t, err := ReadTable()
	return surroundings{here, t}, err
}

// find looks for the mount of a record, and where it is by now.
func (s *stored) find(here surroundings) (at string, ok bool) {
	if s.Where.gone(here.where) {
		return "", false
	}
	if s.Where.Mounts != here.Mounts {
		return s.Target, true
	}
	if s.ID.Mount == 0 {
		e, ok := here.table.At(s.Target)
		if !ok || s.Expect != "" && e.FSType != s.Expect {
			return "", false
		}
		id, root, err := identifyAt(s.Target)
		return s.Target, err == nil && root && (s.Expect != "" || id.Dev == s.ID.Dev)
	}
	e, ok := here.table.ByID(s.ID.Mount)
	if !ok {
		return "", false
	}
	id, root, err := identifyAt(e.Target)
	if err == nil && root && id.Mount == e.ID {
		return e.Target, id.Same(s.ID)
	}
	return e.Target, e.Target == s.Target // another mount covers it
}

// forget removes a record whose mount is gone, and its target if we made it.
func (s *stored) forget(r *Records, root *os.Root) error {
	if s.MadeTarget {
		targets, err := filepath.EvalSymlinks(r.targets)
		if err == nil && filepath.Dir(s.Target) == targets {
			err = unix.Rmdir(s.Target)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove mount target %q: %w", s.Target, err)
		}
		r.step("target removed")
	}
	if err := root.Remove(s.fileName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.step("forgotten")
	return nil
}

// Unmount takes away a recorded mount, by where it is, and its record.
// Nothing recorded there is ErrNotMounted; a temporary mount of a process
// that lives is graphdriver.ErrBusy; what is in use is a *BusyError.
func (r *Records) Unmount(ctx context.Context, at string, lazy bool) error {
	path, err := realPath(at)
	if err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	return r.unmount(ctx, path, lazy, false)
}

// Unmount takes the mount away, and its record.
func (m *Mounted) Unmount(ctx context.Context, lazy bool) error {
	err := m.records.unmount(ctx, m.Target, lazy, true)
	if m.held != nil && (err == nil || errors.Is(err, ErrNotMounted)) {
		m.held.Close()
	}
	return err
}

func (r *Records) unmount(ctx context.Context, path string, lazy, own bool) error {
	unknown := fmt.Errorf("unmount %q: %w by this program; it is umount(8)'s", path, ErrNotMounted)
	if err := ownDir(r.dir, false); errors.Is(err, fs.ErrNotExist) {
		return unknown
	}
	root, unlock, err := r.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := readAll(root)
	if err != nil {
		return err
	}
	here, err := lookAround()
	if err != nil {
		return err
	}
	s, now, there := at(all, here, path)
	switch {
	case s == nil || there && now != path && !own:
		return unknown
	case !there:
		return errors.Join(s.forget(r, root), fmt.Errorf("unmount %q: %w any more", path, ErrNotMounted))
	}
	if s.Temporary && !own {
		if lives, err := s.makerLives(root); err != nil {
			return err
		} else if lives {
			return fmt.Errorf("unmount %q: %w: process %d is at work on it", path, graphdriver.ErrBusy, s.Maker)
		}
	}
	r.step("before the unmount")
	if err := unmount(ctx, now, s.known(), lazy); err != nil {
		return err
	}
	r.step("unmounted")
	return s.forget(r, root)
}

// at finds the record of what is mounted at a path, or else of what once was.
func at(all []*stored, here surroundings, path string) (found *stored, now string, there bool) {
	for _, s := range all {
		if s.Where.Mounts != here.Mounts {
			continue
		}
		where, ok := s.find(here)
		if ok && where == path {
			return s, where, true
		}
		if s.Target == path {
			found, now, there = s, where, ok
		}
	}
	return found, now, there
}

// known is the mount's identity, zero if it was never recorded.
func (s *stored) known() ID {
	if s.ID.Mount == 0 {
		return ID{}
	}
	return s.ID
}

// Clean forgets mounts that are gone and takes away those that no process
// stands for: temporary ones whose process ended, and those that were being
// made when it did. It returns what it took away. Mounts that are in use are
// taken away lazily.
func (r *Records) Clean(ctx context.Context) ([]Record, error) {
	if err := ownDir(r.dir, false); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	root, unlock, err := r.lock(ctx, true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := readAll(root)
	if err != nil {
		return nil, err
	}
	here, err := lookAround()
	if err != nil {
		return nil, err
	}
	var taken []Record
	var errs []error
	for _, s := range all {
		took, err := s.clean(ctx, r, root, here)
		if took {
			taken = append(taken, s.Record)
		}
		errs = append(errs, err)
	}
	names, err := recordNames(root)
	for _, name := range names {
		if strings.HasPrefix(name, unfinished) { // who wrote it would have the lock
			errs = append(errs, root.Remove(name))
		}
	}
	return taken, errors.Join(append(errs, err)...)
}

func (s *stored) clean(ctx context.Context, r *Records, root *os.Root, here surroundings) (took bool, err error) {
	at, there := s.find(here)
	if there && s.Where.Mounts != here.Mounts {
		return false, nil
	}
	if there {
		if !s.Begun && !s.Temporary {
			return false, nil
		}
		if !s.Begun {
			if lives, err := s.makerLives(root); lives || err != nil {
				return false, err
			}
		}
		err := unmount(ctx, at, s.known(), false)
		if errors.Is(err, graphdriver.ErrBusy) {
			err = unmount(ctx, at, s.known(), true)
		}
		if err != nil {
			return false, err
		}
	}
	return there, s.forget(r, root)
}
