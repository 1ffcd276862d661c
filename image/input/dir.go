package input

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dirArchive is a directory. Names are walked from its descriptor, one
// component at a time and through no link, so that nothing outside is
// reached however the directory changes meanwhile.
type dirArchive struct {
	root *os.File
	path string
}

// Open looks at what the name stands for before opening it, and then opens
// that very file: a pipe or a device is never opened, not even for a moment.
func (a *dirArchive) Open(name string) (File, error) {
	clean, err := cleanName(name)
	if err != nil {
		return nil, err
	}
	handle, err := a.walk(clean)
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	fi, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, refuse("%q is not a regular file", name)
	}
	f, err := os.Open("/proc/self/fd/" + strconv.Itoa(int(handle.Fd())))
	if err != nil {
		return nil, fmt.Errorf("open %q in %s: %w", name, a.path, err)
	}
	return &dirFile{SectionReader: io.NewSectionReader(f, 0, fi.Size()), f: f}, nil
}

// walk returns a descriptor that only stands for the file (O_PATH).
func (a *dirArchive) walk(clean string) (*os.File, error) {
	at := a.root
	parts := strings.Split(clean, "/")
	for i, part := range parts {
		flags := unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if i < len(parts)-1 {
			flags |= unix.O_DIRECTORY
		}
		fd, err := openat(at, part, flags)
		if at != a.root {
			err = errors.Join(err, at.Close())
		}
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil, refuse("%q: %w", clean, ErrMissing)
		case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
			return nil, refuse("%q is not reached through directories alone", clean)
		case err != nil:
			return nil, fmt.Errorf("open %q in %s: %w", clean, a.path, err)
		}
		at = os.NewFile(uintptr(fd), clean)
	}
	return at, nil
}

func openat(dir *os.File, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// OpenLinked is Open: a directory's links are not followed.
func (a *dirArchive) OpenLinked(name string) (File, error) { return a.Open(name) }

func (a *dirArchive) Close() error { return a.root.Close() }

type dirFile struct {
	*io.SectionReader
	f *os.File
}

func (d *dirFile) Close() error { return d.f.Close() }
