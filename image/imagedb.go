package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// imagedb is moby's directory of configurations and what is noted of each:
// content/sha256/<id>, metadata/sha256/<id>/{parent,lastUpdated}.
// (moby image/fs.go.)
type imagedb struct{ dir string }

const (
	keyParent      = "parent"
	keyLastUpdated = "lastUpdated"
	maxMetadata    = 4096
)

func (db imagedb) contentDir() string   { return filepath.Join(db.dir, "content", "sha256") }
func (db imagedb) content(id ID) string { return db.dir + "/content/sha256/" + id.Hex() }
func (db imagedb) metadataDir(id ID) string {
	return db.dir + "/metadata/sha256/" + id.Hex()
}
func (db imagedb) note(id ID, k string) string { return db.metadataDir(id) + "/" + k }

// create makes the directories and removes what a crash left half written.
func (db imagedb) create() error {
	for _, dir := range []string{db.contentDir(), filepath.Join(db.dir, "metadata", "sha256")} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return durable.Sweep(db.contentDir())
}

// ids lists the images by file name. Names that are no IDs are not ours to
// judge and are passed over, as dockerd does.
func (db imagedb) ids() ([]ID, error) {
	entries, err := os.ReadDir(db.contentDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []ID
	for _, e := range entries {
		d := digest.NewDigestFromEncoded(digest.SHA256, e.Name())
		if d.Validate() == nil {
			ids = append(ids, ID(d))
		}
	}
	return ids, nil
}

// read returns a configuration, whose digest is checked. One that is damaged
// or no regular file is a *CorruptError.
func (db imagedb) read(id ID) ([]byte, error) {
	raw, err := readRegular(db.content(id), MaxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if errors.Is(err, errNotPlain) {
		return nil, &CorruptError{ID: id, Cause: err}
	}
	if err != nil {
		return nil, err
	}
	if err := verifyRaw(id, raw); err != nil {
		return nil, &CorruptError{ID: id, Cause: err}
	}
	return raw, nil
}

func (db imagedb) write(id ID, raw []byte) error {
	return durable.WriteFile(db.content(id), raw, 0o600)
}

// parent is "" where none is noted or the note is no ID.
func (db imagedb) parent(id ID) ID {
	data, err := readRegular(db.note(id, keyParent), maxMetadata)
	if err != nil {
		return ""
	}
	parent, err := ParseID(string(data))
	if err != nil {
		return ""
	}
	return parent
}

// lastUpdated is when the image was last tagged, the zero time if unknown.
func (db imagedb) lastUpdated(id ID) time.Time {
	data, err := readRegular(db.note(id, keyLastUpdated), maxMetadata)
	if err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, string(data))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (db imagedb) setNote(id ID, key, value string) error {
	if err := durable.MkdirAll(db.metadataDir(id), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(db.note(id, key), []byte(value), 0o600)
}

func (db imagedb) dropNote(id ID, key string) error { return durable.RemoveAll(db.note(id, key)) }
func (db imagedb) dropNotes(id ID) error            { return durable.RemoveAll(db.metadataDir(id)) }
func (db imagedb) drop(id ID) error                 { return durable.RemoveAll(db.content(id)) }

var errNotPlain = errors.New("not a regular file of acceptable size")

// readRegular reads a file of at most limit bytes and never waits for one
// that is something else. There may be thousands, and os.File costs more than
// reading one.
func readRegular(path string, limit int64) ([]byte, error) {
	fd, err := retried(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err == unix.ELOOP {
		return nil, fmt.Errorf("%s: %w", path, errNotPlain)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > limit {
		return nil, fmt.Errorf("%s: %w", path, errNotPlain)
	}
	data := make([]byte, st.Size)
	for got := 0; got < len(data); {
		n, err := retried(func() (int, error) { return unix.Read(fd, data[got:]) })
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		got += n
	}
	return data, nil
}

// retried makes a system call again that a signal has interrupted.
func retried(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
