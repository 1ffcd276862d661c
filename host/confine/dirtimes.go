package confine

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// mostTimes and mostNamed are how many directories, and how many bytes of
	// their paths, wait for their times together.
	mostTimes = 1 << 16
	mostNamed = 8 << 20
	// mostAliased bounds what is remembered of files that were written through
	// symlinks, in bytes.
	mostAliased = 32 << 20
	aliasedSize = 48 // an aliasedFile, with the room that a list has to spare
)

// touch says which time a directory is to have at the end.
func (a *Applier) touch(fd int, ino uint64, p string, mtime Time) {
	if a.crossed {
		p = a.realPath(fd, p)
	}
	a.times[ino] = touched{path: p, mtime: mtime}
	a.named += len(p)
}

// realPath is where an open directory lies, if that can be told, else p: what
// a symlink led to may not be found through it at the end.
func (a *Applier) realPath(fd int, p string) string {
	base, err := readlinkAt(unix.AT_FDCWD, procPath(a.base.fd))
	if err != nil {
		return p
	}
	at, err := readlinkAt(unix.AT_FDCWD, procPath(fd))
	if err != nil {
		return p
	}
	if at == base {
		return "."
	}
	if inside, ok := strings.CutPrefix(at, base+"/"); ok {
		return inside
	}
	return p
}

// spare gives all directories their times when too many wait for them. One
// that is changed again is noted again, with the time that it has by then.
func (a *Applier) spare(ctx context.Context) error {
	if len(a.times) < mostTimes && a.named < mostNamed {
		return nil
	}
	if err := a.Wait(ctx); err != nil {
		return err
	}
	a.forgetAll()
	if err := a.setDirTimes(); err != nil {
		return err
	}
	clear(a.times)
	a.named = 0
	return nil
}

func (a *Applier) setDirTimes() error {
	for ino, t := range a.times {
		fd, err := a.base.open(t.path, unix.O_RDONLY|unix.O_DIRECTORY, 0, InRoot)
		if nowhere(err) {
			continue // removed or replaced by a later entry
		}
		if err != nil {
			return err
		}
		st, err := statFd(fd)
		if err == nil && st.Ino == ino && st.Mtim != t.mtime {
			err = futimens(fd, timespec(t.mtime), timespec(t.mtime))
		}
		unix.Close(fd)
		if err != nil {
			return &PathError{Op: "set times of", Path: t.path, Err: err}
		}
	}
	return nil
}
