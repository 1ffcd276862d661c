package archive

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// output is a file that gets its name when it is whole. Before that it has
// none where the file system can do so, so that nothing is left of it however
// the process ends; elsewhere it has a temporary one.
type output struct {
	*os.File
	temp string // its temporary name, "" for none
}

// newOutput makes a file beside path.
func newOutput(path string) (*output, error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &output{File: os.NewFile(uintptr(fd), path)}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), tempName(path))
	if err != nil {
		return nil, err
	}
	return &output{File: f, temp: f.Name()}, nil
}

// tempName is a pattern for os.CreateTemp and os.MkdirTemp.
func tempName(path string) string { return "." + filepath.Base(path) + ".tmp-*" }

// place gives the file its name, also where another has it.
func (o *output) place(path string) error {
	if o.temp == "" {
		// Only rename(2) replaces a file, and it needs a name to begin with.
		temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-"+rand.Text())
		self := fmt.Sprintf("/proc/self/fd/%d", o.Fd())
		if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, temp, unix.AT_SYMLINK_FOLLOW); err != nil {
			return saveTo(path, err)
		}
		o.temp = temp
	}
	if err := os.Rename(o.temp, path); err != nil {
		return saveTo(path, err)
	}
	o.temp = ""
	return nil
}

// Close also removes the temporary name, if there is one still.
func (o *output) Close() error {
	err := o.File.Close()
	if o.temp != "" {
		err = errors.Join(err, os.Remove(o.temp))
	}
	return err
}
