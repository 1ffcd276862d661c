package v1

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// Names in an image's directory, and beside it. All are Docker's.
const (
	fileJSON     = "json"
	fileSize     = "layersize"
	fileDigest   = "checksum"
	fileTarData  = "tar-data.json.gz"
	fileV1Config = "v1Compatibility"
	fileParent   = "parent"
	dirTmp       = "_tmp"
)

// maxNote is the longest file with a size, a digest or an ID, in bytes.
const maxNote = 4096

var (
	errNotPlain = errors.New("not a regular file of acceptable size")
	errNotDir   = errors.New("not a directory")
)

func (g *Graph) dir(id string) string { return filepath.Join(g.root, id) }

// place is the directory of an image that is there. Errors: ErrInvalidID,
// *NotFoundError, *CorruptError.
func (g *Graph) place(id string) (string, error) {
	if err := ValidateID(id); err != nil {
		return "", err
	}
	dir := g.dir(id)
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &NotFoundError{Name: id}
	case err != nil:
		return "", err
	case !fi.IsDir(): // a link could lead anywhere
		return "", &CorruptError{ID: id, Cause: fmt.Errorf("%s: %w", dir, errNotDir)}
	}
	return dir, nil
}

// load reads an image. Its size is below 0 where none is noted. Errors:
// *NotFoundError, *CorruptError, *WrongIDError, or why it cannot be read now.
func (g *Graph) load(id string) (*Image, error) {
	dir, err := g.place(id)
	if err != nil {
		return nil, err
	}
	raw, err := readRegular(filepath.Join(dir, fileJSON), image.MaxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{Name: id, Cause: err}
	}
	if err != nil {
		return nil, damage(id, err)
	}
	img, err := ParseImage(raw)
	if err != nil {
		return nil, &CorruptError{ID: id, Cause: err}
	}
	if img.ID == "" {
		img.ID = id
	}
	if img.Parent == "" && img.ParentID != "" && img.ParentID.Validate() == nil {
		img.Parent = img.ParentID.Encoded()
	}
	if noted, err := readRegular(filepath.Join(dir, fileParent), maxNote); err == nil && len(noted) > 0 {
		img.Parent = string(noted)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, damage(id, err)
	}
	if err := ValidateID(img.ID); err != nil {
		return nil, &CorruptError{ID: id, Cause: err}
	}
	if img.ID != id {
		return nil, &WrongIDError{At: id, ID: img.ID}
	}
	if img.Parent != "" {
		if err := ValidateID(img.Parent); err != nil {
			return nil, &CorruptError{ID: id, Cause: fmt.Errorf("parent: %w", err)}
		}
	}
	img.Size, err = readSize(dir)
	if err != nil {
		return nil, damage(id, err)
	}
	return img, nil
}

// damage tells a file that is not as it should be from one that cannot be
// read just now.
func damage(id string, err error) error {
	if errors.Is(err, errNotPlain) || errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) ||
		errors.Is(err, unix.ENOTDIR) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &CorruptError{ID: id, Cause: err}
	}
	return err
}

// readSize is below 0 where no size is noted: an empty layer has 0.
func readSize(dir string) (int64, error) {
	text, err := readRegular(filepath.Join(dir, fileSize), maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", fileSize, brief.Error(err))
	}
	return size, nil
}

func writeSize(dir string, size int64) error {
	err := durable.WriteFile(filepath.Join(dir, fileSize), strconv.AppendInt(nil, size, 10), 0o600)
	if err != nil {
		return fmt.Errorf("store the size of a layer: %w", err)
	}
	return nil
}

// openRegular opens a file to read it, and never waits for one that is
// something else.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%s: %w", path, errNotPlain)
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, errNotPlain)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readRegular(path string, limit int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w", path, errNotPlain)
	}
	return data, nil
}

// makeDir creates a directory, and gives it to the owner if it is new.
func (g *Graph) makeDir(dir string) error {
	fi, err := os.Lstat(dir)
	if err == nil {
		if !fi.IsDir() {
			return fmt.Errorf("%s: %w", dir, errNotDir)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if o := g.opts.Owner; o != nil {
		return os.Chown(dir, o.UID, o.GID)
	}
	return nil
}

// tempDir makes a directory of its own beneath _tmp.
func (g *Graph) tempDir() (string, error) {
	if err := g.makeDir(filepath.Join(g.root, dirTmp)); err != nil {
		return "", err
	}
	dir := filepath.Join(g.root, dirTmp, prefixTmp+randomHex())
	return dir, g.makeDir(dir)
}
