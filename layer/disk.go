package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// disk is the only way by which this package changes anything on disk, so
// that a test can write down in which order things became durable, and make
// any of them fail.
type disk struct {
	before func(op, path string) error // nil but in tests
}

func (d disk) ask(op, path string) error {
	if d.before == nil {
		return nil
	}
	return d.before(op, path)
}

func (d disk) mkdirAll(path string, perm fs.FileMode) error {
	if err := d.ask("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, perm)
}

// create opens a new file, for what is written piece by piece.
func (d disk) create(path string, perm fs.FileMode) (*os.File, error) {
	if err := d.ask("write", path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

// write makes a new file; it is not synced.
func (d disk) write(path string, data []byte, perm fs.FileMode) error {
	f, err := d.create(path, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return oneLine(err, f.Close())
}

// sync makes a file's content, or a directory's names, durable.
func (d disk) sync(path string) error {
	if err := d.ask("sync", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return oneLine(f.Sync(), f.Close())
}

// syncFS makes everything on the file system of f durable. f was opened
// before the writes: only then does it report all their errors.
func (d disk) syncFS(f *os.File) error {
	err := d.ask("syncfs", f.Name())
	if err == nil {
		err = unix.Syncfs(int(f.Fd()))
	}
	if err != nil {
		return fmt.Errorf("sync the file system of %s: %w", f.Name(), err)
	}
	return nil
}

func (d disk) rename(from, to string) error {
	if err := d.ask("rename", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// exchange makes each of two names the other's, in one step.
func (d disk) exchange(path, other string) error {
	if err := d.ask("exchange", path); err != nil {
		return err
	}
	return os.NewSyscallError("renameat2", unix.Renameat2(unix.AT_FDCWD, other, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
}

func (d disk) remove(path string) error {
	if err := d.ask("remove", path); err != nil {
		return err
	}
	return os.Remove(path)
}

func (d disk) removeAll(path string) error {
	if err := d.ask("removeall", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// openDir opens a directory for syncFS, or, where it does not exist, the
// nearest one above it.
func openDir(path string) (*os.File, error) {
	for {
		f, err := os.Open(path)
		up := filepath.Dir(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || up == path {
			return f, err
		}
		path = up
	}
}

// sameFS tells whether one syncFS covers both.
func sameFS(a, b *os.File) (bool, error) {
	var sa, sb unix.Stat_t
	if err := unix.Fstat(int(a.Fd()), &sa); err != nil {
		return false, fmt.Errorf("stat %s: %w", a.Name(), err)
	}
	if err := unix.Fstat(int(b.Fd()), &sb); err != nil {
		return false, fmt.Errorf("stat %s: %w", b.Name(), err)
	}
	return sa.Dev == sb.Dev, nil
}
