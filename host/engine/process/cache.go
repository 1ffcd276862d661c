package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// entry is the code of one module. Whatever a module's compilation left there
// is run by that module's children only: nothing here is ever looked at by
// another module, or by this process.
type entry struct {
	parent string
	dir    string
}

func (r *Runtime) entry(wasm []byte) entry {
	sum := sha256.Sum256(wasm)
	return entry{r.dir, filepath.Join(r.dir, hex.EncodeToString(sum[:]))}
}

func (e entry) filled() bool {
	_, err := os.Lstat(e.dir)
	return err == nil
}

// open opens the entry for a child. It is readable for all, beneath a directory
// that is not: a child is handed the inner one.
func (e entry) open() (*os.File, error) { return os.Open(e.dir) }

// compiling begins the names of directories that are compiled into.
const compiling = "compiling-"

// work is a directory that one child compiles into.
type work struct {
	entry
	path string
	file *os.File
}

func (e entry) begin(u user) (w *work, err error) {
	w = &work{entry: e}
	if err := e.sweep(); err != nil {
		return nil, err
	}
	if w.path, err = os.MkdirTemp(e.parent, compiling+"*"); err != nil {
		return nil, err
	}
	if err = u.give(w.path); err == nil {
		w.file, err = os.Open(w.path)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.path))
	}
	return w, nil
}

// sweep removes what compilations left whose host was killed meanwhile. None
// takes an hour.
func (e entry) sweep() error {
	list, err := os.ReadDir(e.parent)
	if err != nil {
		return err
	}
	for _, d := range list {
		fi, err := d.Info()
		if err == nil && strings.HasPrefix(d.Name(), compiling) && time.Since(fi.ModTime()) > time.Hour {
			err = os.RemoveAll(filepath.Join(e.parent, d.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (w *work) remove() error { return errors.Join(w.file.Close(), os.RemoveAll(w.path)) }

// adopt copies the code to where it is kept. The child that wrote it has ended;
// it is believed no more than that this is one file with such a name.
func (w *work) adopt() error {
	root, err := os.OpenRoot(w.path)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := fs.Glob(root.FS(), "wazero-*/*")
	if err != nil {
		return err
	}
	if len(found) != 1 || len(filepath.Base(found[0])) != 2*sha256.Size || strings.Trim(filepath.Base(found[0]), "0123456789abcdef") != "" {
		return fmt.Errorf("the compiling process left %d files", len(found))
	}
	from, err := root.OpenFile(found[0], os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	fi, err := from.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return errors.New("the compiling process left something that is no file")
	}
	to := filepath.Join(w.dir, found[0])
	if err := errors.Join(makeDir(w.dir, 0o755), makeDir(filepath.Dir(to), 0o755)); err != nil {
		return err
	}
	return copyTo(to, from)
}

// copyTo makes a file all at once.
func copyTo(path string, from io.Reader) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = io.Copy(tmp, from)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// makeDir makes a directory that only its owner writes, or looks whether the
// one that is there is such.
func makeDir(path string, mode fs.FileMode) error {
	err := os.Mkdir(path, mode)
	if err == nil {
		return os.Chmod(path, mode) // whatever the umask
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || fi.Mode().Perm()&0o022 != 0 || ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a directory that only user %d may write", path, os.Geteuid())
	}
	return nil
}
