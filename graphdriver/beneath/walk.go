package beneath

import (
	"strings"

	"golang.org/x/sys/unix"
)

const (
	known = unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV
	// maxLinks and maxPath are the kernel's.
	maxLinks = 40
	maxPath  = 4096
)

// Walk is Open without openat2. It goes from component to component by
// descriptors that do not follow links, keeps those of all directories above,
// and goes back to them for "..", so that whatever is renamed meanwhile it
// never comes to a directory that did not lie beneath the first.
func Walk(dirfd int, p string, flags int, mode uint32, resolve uint64) (fd int, err error) {
	switch {
	case resolve&^known != 0 || resolve&(unix.RESOLVE_BENEATH|unix.RESOLVE_IN_ROOT) == 0:
		return -1, unix.EINVAL
	case p == "":
		return -1, unix.ENOENT
	case len(p) >= maxPath:
		return -1, unix.ENAMETOOLONG
	case strings.IndexByte(p, 0) >= 0:
		return -1, unix.EINVAL
	}
	w := &walk{dirs: []int{dirfd}, resolve: resolve}
	defer w.close()
	if w.resolve&unix.RESOLVE_NO_XDEV != 0 {
		if w.mount, err = mountOf(dirfd); err != nil {
			return -1, err
		}
	}
	if err := w.push(p); err != nil {
		return -1, err
	}
	return w.run(flags|unix.O_CLOEXEC, mode)
}

// walk is one path on its way.
type walk struct {
	dirs    []int // the first is the caller's, each other lies in the one before
	left    []string
	links   int
	resolve uint64
	mount   uint64 // that must not be left
}

func (w *walk) close() {
	for _, fd := range w.dirs[1:] {
		unix.Close(fd)
	}
}

func (w *walk) here() int { return w.dirs[len(w.dirs)-1] }

// push puts a path before what is left.
func (w *walk) push(p string) error {
	if strings.HasPrefix(p, "/") {
		if w.resolve&unix.RESOLVE_IN_ROOT == 0 {
			return unix.EXDEV
		}
		w.backTo(1)
	}
	var parts []string
	for _, name := range strings.Split(p, "/") {
		if name != "" {
			parts = append(parts, name)
		}
	}
	if strings.HasSuffix(p, "/") {
		parts = append(parts, ".") // what it leads to is a directory, also by a link
	}
	w.left = append(parts, w.left...)
	return nil
}

// backTo leaves that many directories open.
func (w *walk) backTo(n int) {
	for len(w.dirs) > n {
		unix.Close(w.here())
		w.dirs = w.dirs[:len(w.dirs)-1]
	}
}

func (w *walk) run(flags int, mode uint32) (int, error) {
	for len(w.left) > 1 {
		name := w.left[0]
		w.left = w.left[1:]
		if err := w.step(name); err != nil {
			return -1, err
		}
	}
	if len(w.left) == 0 {
		return w.self(flags, mode)
	}
	return w.last(flags, mode)
}

// self opens the directory that was come to.
func (w *walk) self(flags int, mode uint32) (int, error) {
	switch flags & (unix.O_CREAT | unix.O_EXCL) {
	case unix.O_CREAT | unix.O_EXCL:
		return -1, unix.EEXIST
	case unix.O_CREAT:
		return -1, unix.EISDIR
	}
	return w.open(".", flags, mode)
}

// step goes to the next component, which has to be a directory.
func (w *walk) step(name string) error {
	if name == "." {
		return nil
	}
	if name == ".." {
		return w.up()
	}
	fd, err := w.open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	kind, err := kindOf(fd)
	switch {
	case err == nil && kind == unix.S_IFDIR:
		w.dirs = append(w.dirs, fd)
		return nil
	case err == nil && kind == unix.S_IFLNK:
		err = w.follow(fd)
	case err == nil:
		err = unix.ENOTDIR
	}
	unix.Close(fd)
	return err
}

func (w *walk) up() error {
	if len(w.dirs) > 1 {
		w.backTo(len(w.dirs) - 1)
		return nil
	}
	if w.resolve&unix.RESOLVE_IN_ROOT != 0 {
		return nil
	}
	return unix.EXDEV
}

// follow puts what a link says before what is left.
func (w *walk) follow(fd int) error {
	if w.resolve&unix.RESOLVE_NO_SYMLINKS != 0 {
		return unix.ELOOP
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Type == unix.PROC_SUPER_MAGIC && w.resolve&unix.RESOLVE_NO_MAGICLINKS != 0 {
		return unix.ELOOP // what of them is magic cannot be told
	}
	buf := make([]byte, maxPath)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return err
	}
	if n == 0 {
		return unix.ENOENT
	}
	return w.push(string(buf[:n]))
}

// last opens the last component as it is asked for.
func (w *walk) last(flags int, mode uint32) (int, error) {
	for {
		name := w.left[0]
		w.left = w.left[1:]
		if name == "." || name == ".." {
			if err := w.step(name); err != nil {
				return -1, err
			}
			return w.self(flags, mode)
		}
		fd, err := w.one(name, flags, mode)
		if err == nil || err != errFollow {
			return fd, err
		}
		if len(w.left) != 1 { // the link's own path
			return w.run(flags, mode)
		}
	}
}

// errFollow says that the last component was a link, and what it says is left.
const errFollow = unix.Errno(1 << 20)

// one opens a last component, or follows it.
func (w *walk) one(name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := w.open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT && flags&unix.O_CREAT != 0 {
			fd, err = w.open(name, flags|unix.O_NOFOLLOW, mode)
			if err == unix.ELOOP {
				continue // a link came meanwhile
			}
			return fd, err
		}
		if err != nil {
			return -1, err
		}
		kind, err := kindOf(fd)
		if err == nil && kind == unix.S_IFLNK && flags&unix.O_NOFOLLOW == 0 && flags&(unix.O_CREAT|unix.O_EXCL) != unix.O_CREAT|unix.O_EXCL {
			if err = w.follow(fd); err == nil {
				err = errFollow
			}
			unix.Close(fd)
			return -1, err
		}
		if err == nil && flags&unix.O_PATH != 0 && (flags&unix.O_DIRECTORY == 0 || kind == unix.S_IFDIR) {
			return fd, nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd, err = w.open(name, flags|unix.O_NOFOLLOW, mode)
		if err == unix.ELOOP && kind != unix.S_IFLNK {
			continue // a link came meanwhile
		}
		return fd, err
	}
}

// open opens one component, which is not followed, and stays on the mount.
func (w *walk) open(name string, flags int, mode uint32) (fd int, err error) {
	for {
		if fd, err = unix.Openat(w.here(), name, flags, mode); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return -1, err
	}
	if w.resolve&unix.RESOLVE_NO_XDEV == 0 {
		return fd, nil
	}
	mount, err := mountOf(fd)
	if err == nil && mount != w.mount {
		err = unix.EXDEV
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func kindOf(fd int) (uint32, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Mode & unix.S_IFMT, nil
}
