package layer

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/layer/abreast"
)

// ExamineModes looks at a file, or at a directory with all beneath it, for what
// somebody else than its owner could alter, and tells report of each; nothing
// there is no fault. Who owns what lies above owns it all.
func ExamineModes(ctx context.Context, top string, report func(path, what string) error) error {
	top = filepath.Clean(top)
	var up unix.Stat_t
	err := statNow(unix.AT_FDCWD, filepath.Dir(top), &up)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "lstat", Path: filepath.Dir(top), Err: err}
	}
	found, err := modes{owner: up.Uid}.look(ctx, unix.AT_FDCWD, top, top)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := report(f.path, f.what); err != nil {
			return err
		}
	}
	return nil
}

// modes looks for files that somebody else than owner could alter. What is gone
// meanwhile is passed over.
type modes struct {
	owner   uint32
	abreast bool // several look already
}

type badMode struct{ path, what string }

// look looks at a name in an open directory, and at what lies beneath it.
func (m modes) look(ctx context.Context, at int, name, path string) ([]badMode, error) {
	found, isDir, err := m.one(at, name, path)
	if err != nil || !isDir {
		return found, err
	}
	beneath, err := m.beneath(ctx, path)
	return append(found, beneath...), err
}

// one looks at a single file.
func (m modes) one(at int, name, path string) (found []badMode, isDir bool, err error) {
	var st unix.Stat_t
	err = statNow(at, name, &st)
	if err == unix.ENOENT {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	switch {
	case kind != unix.S_IFLNK && st.Mode&0o002 != 0:
		found = []badMode{{path, fmt.Sprintf("mode %#o lets anybody write it", st.Mode&0o777)}}
	case st.Uid != m.owner:
		found = []badMode{{path, fmt.Sprintf("belongs to uid %d, and the store to %d", st.Uid, m.owner)}}
	}
	return found, kind == unix.S_IFDIR, nil
}

// manyNames is from how many on a directory is looked through by several.
const manyNames = 64

// beneath looks at all that a directory holds. But for one on the way it is not
// open while those in it are looked through: they may lie deeper than there are
// descriptors.
func (m modes) beneath(ctx context.Context, path string) ([]badMode, error) {
	dir, names, err := listNow(path)
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	slices.Sort(names)
	if len(names) >= manyNames && !m.abreast {
		defer unix.Close(dir)
		m.abreast = true
		found := make([][]badMode, len(names))
		err := abreast.Do(ctx, len(names), func(ctx context.Context, i int) (err error) {
			found[i], err = m.look(ctx, dir, names[i], path+"/"+names[i])
			return err
		})
		return slices.Concat(found...), err
	}
	found := make([][]badMode, len(names))
	isDir := make([]bool, len(names))
	for i, name := range names {
		if found[i], isDir[i], err = m.one(dir, name, path+"/"+name); err != nil {
			break
		}
	}
	unix.Close(dir)
	var all []badMode
	for i, name := range names {
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found[i]...)
		if isDir[i] {
			var more []badMode
			more, err = m.beneath(ctx, path+"/"+name)
			all = append(all, more...)
		}
	}
	return all, err
}

func statNow(at int, name string, st *unix.Stat_t) error {
	for {
		if err := unix.Fstatat(at, name, st, unix.AT_SYMLINK_NOFOLLOW); err != unix.EINTR {
			return err
		}
	}
}

// listNow opens a directory and reads it.
func listNow(path string) (dir int, names []string, err error) {
	for {
		dir, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, nil, err
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := unix.ReadDirent(dir, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			unix.Close(dir)
			return -1, nil, err
		case n <= 0:
			return dir, names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}
