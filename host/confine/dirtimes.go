package confine

import (
	"context"
	"errors"

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
func (a *Applier) touch(ino uint64, p string, mtime Time) {
	a.times[ino] = touched{path: p, mtime: mtime}
	a.named += len(p)
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
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue // removed by a later entry
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
