package mount

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// target is an open directory that is to be mounted on.
type target struct {
	fd   int
	path string // without symlinks
}

// openTarget opens an empty directory that nothing is mounted on. Its parents
// are the operator's and may be symlinks; itself it may not.
func openTarget(name string) (*target, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("mount on %q: %w: "+format, append([]any{name, graphdriver.ErrInvalid}, args...)...)
	}
	fd, err := unix.Open(abs, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("mount on %q: %w", name, err)
	}
	t := &target{fd: fd}
	if err := t.check(name, refuse); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *target) close() { unix.Close(t.fd) }

func (t *target) check(name string, refuse func(string, ...any) error) error {
	var st unix.Stat_t
	if err := unix.Fstat(t.fd, &st); err != nil {
		return fmt.Errorf("mount on %q: %w", name, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return refuse("it is a symlink; give the directory that it leads to")
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return refuse("it is no directory")
	}
	_, root, err := identify(t.fd)
	if err != nil {
		return fmt.Errorf("mount on %q: %w", name, err)
	}
	if root {
		return fmt.Errorf("mount on %q: it is %w; choose another directory", name, ErrMounted)
	}
	dir, err := os.Open(procPath(t.fd))
	if err != nil {
		return fmt.Errorf("mount on %q: %w", name, errors.Unwrap(err))
	}
	defer dir.Close()
	if _, err := dir.Readdirnames(1); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("mount on %q: %w", name, err)
		}
		return refuse("the directory is not empty; choose another one")
	}
	if t.path, err = os.Readlink(procPath(t.fd)); err != nil {
		return fmt.Errorf("mount on %q: %w", name, err)
	}
	if !utf8.ValidString(t.path) {
		return refuse("its path is not UTF-8")
	}
	return nil
}

// landed looks where a mount that was put on t is now: elsewhere, if somebody
// renamed the directory meanwhile, and then undo takes it away again.
func (t *target) landed(want ID, undo func()) (ID, error) {
	id, root, err := identifyAt(t.path)
	if err == nil && root && (want == ID{} || id.Same(want)) {
		return id, nil
	}
	undo()
	if err == nil {
		err = errors.New("the directory was replaced meanwhile")
	}
	return ID{}, fmt.Errorf("mount on %q: %w", t.path, err)
}

// identifyAt looks at what is mounted at a path.
func identifyAt(path string) (ID, bool, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ID{}, false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return identify(fd)
}
