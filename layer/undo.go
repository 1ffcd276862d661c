package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Undo is the directory of one repair: whatever it replaces is moved there, and
// stays until somebody sweeps. It is made when something is.
type Undo struct {
	s    *Store
	id   string
	what string
	made bool
}

// NewUndo begins one. What says what it is for.
func (s *Store) NewUndo(what string) *Undo { return &Undo{s: s, id: randomID(), what: what} }

func (u *Undo) dir() string { return u.s.at.undo(u.id) }

// begin makes the directory durable. From then on the driver's layer of that
// ID is no orphan.
func (u *Undo) begin() error {
	if u.made {
		return nil
	}
	if err := u.s.makeDirs(0o700, u.dir()); err != nil {
		return err
	}
	what := filepath.Join(u.dir(), fileWhat)
	// One that was interrupted may have got here, with a tree of the same ID.
	if err := u.s.disk.write(what, []byte(u.what+"\n"), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := u.s.disk.sync(what); err != nil {
		return err
	}
	u.made = true
	return u.s.disk.sync(u.dir())
}

// place is a name for what has that name elsewhere.
func (u *Undo) place(name string) (string, error) {
	to := filepath.Join(u.dir(), name)
	for n := 1; ; n++ {
		_, err := os.Lstat(to)
		if errors.Is(err, fs.ErrNotExist) {
			return to, nil
		}
		if err != nil {
			return "", err
		}
		to = filepath.Join(u.dir(), name+"."+strconv.Itoa(n))
	}
}

// guard refuses a path that a symlink beneath the root leads to: what lies at
// its end may be anybody's.
func (s *Store) guard(path string) error {
	for dir := filepath.Dir(path); len(dir) > len(s.opts.Root); dir = filepath.Dir(dir) {
		fi, err := os.Lstat(dir)
		if err != nil {
			return err
		}
		if !fi.IsDir() {
			return fmt.Errorf("%s is not a directory of the store: %w", dir, ErrCorrupt)
		}
	}
	return nil
}

// Take moves a file or a directory aside. That nothing is there is no error.
func (u *Undo) Take(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := oneLine(u.s.guard(path), u.begin()); err != nil {
		return err
	}
	to, err := u.place(filepath.Base(path))
	if err != nil {
		return err
	}
	if err := u.s.disk.rename(path, to); err != nil {
		return fmt.Errorf("put aside: %w", err)
	}
	return u.settle(filepath.Dir(path))
}

// Write gives a file another content, in one step; what was there is kept.
func (u *Undo) Write(path string, data []byte, perm fs.FileMode) error {
	if err := oneLine(u.s.guard(path), u.begin()); err != nil {
		return err
	}
	part := filepath.Join(u.dir(), prefixNew+filepath.Base(path))
	if err := u.s.disk.removeAll(part); err != nil {
		return err
	}
	if err := u.s.disk.write(part, data, perm); err != nil {
		return err
	}
	return u.put(part, path)
}

// put makes the file part, which is ours, that of path.
func (u *Undo) put(part, path string) error {
	if err := oneLine(u.s.guard(path), u.begin()); err != nil {
		return err
	}
	if err := u.s.disk.sync(part); err != nil {
		return err
	}
	err := u.s.disk.exchange(path, part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = u.s.disk.rename(part, path)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS): // not every file system can
		if err = u.Take(path); err == nil {
			err = u.s.disk.rename(part, path)
		}
	case err == nil:
		var to string
		if to, err = u.place(filepath.Base(path)); err == nil {
			err = u.s.disk.rename(part, to)
		}
	}
	if err != nil {
		return err
	}
	return u.settle(filepath.Dir(path))
}

// settle makes durable what was moved between a directory and ours.
func (u *Undo) settle(dir string) error {
	return oneLine(u.s.disk.sync(dir), u.s.disk.sync(u.dir()))
}

// undone lists what repairs have kept.
func (s *Store) undone() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.at.state, dirUndo))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && graphdriver.ValidateID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}
