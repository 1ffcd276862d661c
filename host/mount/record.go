package mount

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Record is a mount that was made for a key.
type Record struct {
	// Key says what the mount is of, such as a layer's ID.
	Key string `json:"key"`
	// Target is where it is mounted.
	Target    string `json:"target"`
	ReadWrite bool   `json:"readWrite"`
	// Temporary mounts end with the process that made them.
	Temporary bool `json:"temporary"`
	// Maker is that process.
	Maker int `json:"maker"`
	ID    ID  `json:"id"`
	// Elsewhere: the mount is in another mount namespace, where it cannot
	// be seen from here.
	Elsewhere bool `json:"-"`
}

// stored is a Record as a file holds it.
type stored struct {
	Record
	// Begun: the mount may or may not have been made. Until ID is known, it
	// is what lies on Target with the file system Expect, if that says
	// something, and else with the st_dev of ID.
	Begun  bool   `json:"begun"`
	Expect string `json:"expect,omitempty"`
	// MadeTarget: the directory is ours, and goes with the mount.
	MadeTarget bool  `json:"madeTarget"`
	Where      where `json:"where"`
}

const (
	maxRecord  = 64 << 10 // bytes; a path has 4 KiB, six times that if escaped
	maxRecords = 1 << 16
	unfinished = ".new-"
	suffix     = ".json"
)

// fileName is that of the record of a target in a mount namespace.
func (s *stored) fileName() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s", s.Where.Mounts, s.Target))
	return hex.EncodeToString(sum[:16]) + suffix
}

// write puts a record in place of what its file held. With held, it returns
// the file, locked for as long as it is open.
func (s *stored) write(root *os.Root, held bool) (*os.File, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*os.File, error) { return nil, fmt.Errorf("record of %q: %w", s.Target, err) }
	name := unfinished + rand.Text()
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fail(err)
	}
	if held {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		_, err = f.Write(append(body, '\n'))
	}
	if err == nil {
		err = root.Rename(name, s.fileName())
	}
	if err != nil {
		f.Close()
		root.Remove(name)
		return fail(err)
	}
	if held {
		return f, nil
	}
	return nil, f.Close()
}

// readAll reads all records, sorted by target.
func readAll(root *os.Root) ([]*stored, error) {
	names, err := recordNames(root)
	if err != nil {
		return nil, err
	}
	var all []*stored
	for _, name := range names {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		s, err := readRecord(root, name)
		if err != nil {
			return nil, fmt.Errorf("mount record %s/%s: %w; if nothing of it is mounted any more, remove the file", root.Name(), name, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *stored) int { return strings.Compare(a.Target, b.Target) })
	return all, nil
}

func recordNames(root *os.Root) ([]string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxRecords)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) == maxRecords {
		return nil, fmt.Errorf("%s holds more than %d mount records", root.Name(), maxRecords)
	}
	return names, nil
}

func readRecord(root *os.Root, name string) (*stored, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	body, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return nil, err
	}
	return parseRecord(body, name)
}

func parseRecord(body []byte, name string) (*stored, error) {
	var s stored
	if len(body) > maxRecord {
		return nil, errors.New("it is too long")
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(s.Target, "/") || strings.IndexByte(s.Target, 0) >= 0 || s.fileName() != name {
		return nil, errors.New("it does not tell what its name says")
	}
	return &s, nil
}

// makerLives reports whether a temporary mount's process still holds its record.
func (s *stored) makerLives(root *os.Root) (bool, error) {
	f, err := root.OpenFile(s.fileName(), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
