package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// noteName is the file that says of a driver where its images went.
const noteName = "converted.json"

type note struct {
	To string `json:"to"`
}

func notePath(root, driver string) string {
	return filepath.Join(root, "bulkhead", driver, noteName)
}

// Mark notes that all images of one driver have come over to another.
func Mark(root, from, to string) error {
	data, err := json.Marshal(note{To: to})
	if err != nil {
		return err
	}
	dir := filepath.Dir(notePath(root, from))
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := durable.Sweep(dir); err != nil {
		return err
	}
	return durable.WriteFile(notePath(root, from), append(data, '\n'), 0o600)
}

// Unmark takes a driver's note back: it is written to again. The note is gone
// for good before anything is: a power cut could bring it back, and then what was
// written after it would be no longer seen.
func Unmark(root, driver string) error {
	err := os.Remove(notePath(root, driver))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(notePath(root, driver)))
}

// Noted tells whether a driver has a note.
func Noted(root, driver string) bool {
	_, err := os.Lstat(notePath(root, driver))
	return err == nil
}

// Target is the driver that all images of a driver went to, "" if they did not.
func Target(root, driver string) (string, error) {
	f, err := os.OpenFile(notePath(root, driver), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	var n note
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is no regular file", f.Name()), err)
	}
	if err := json.NewDecoder(io.LimitReader(f, 4096)).Decode(&n); err != nil {
		return "", fmt.Errorf("%s: %w", f.Name(), err)
	}
	return n.To, nil
}
