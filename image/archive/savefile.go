package archive

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/layer"
)

// saveFile writes a tar beside path and puts it there when it is whole.
func saveFile(ctx context.Context, s *saver, path string) error {
	return writeFile(path, func(f *os.File) error { return s.write(ctx, newFileSink(f)) })
}

// saveTo names the path that was asked for instead of the temporary one.
func saveTo(path string, err error) error {
	var temp *os.PathError
	if errors.As(err, &temp) {
		err = temp.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		err = link.Err
	}
	return &os.PathError{Op: "save to", Path: path, Err: err}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// saveDir writes an OCI directory beside path and puts it there when it is
// whole. Nothing may be at path.
func saveDir(ctx context.Context, s *saver, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return saveTo(path, os.ErrExist)
	}
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, tempName(path))
	if err != nil {
		return saveTo(path, err)
	}
	err = s.write(ctx, &dirSink{root: temp})
	if err == nil {
		err = os.Chmod(temp, 0o755)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	return syncDir(parent)
}

// dirSink writes files beneath a directory.
type dirSink struct{ root string }

func (s *dirSink) dir(name string) error { return os.Mkdir(filepath.Join(s.root, name), 0o755) }

func (s *dirSink) file(name string, data []byte) error {
	_, err := s.layer(name, "", func(w io.Writer) (int64, error) {
		n, err := w.Write(data)
		return int64(n), err
	})
	return err
}

func (s *dirSink) layer(name string, _ layer.DiffID, write func(io.Writer) (int64, error)) (int64, error) {
	f, err := os.OpenFile(filepath.Join(s.root, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	n, err := write(f)
	if err == nil {
		err = f.Sync()
	}
	return n, errors.Join(err, f.Close())
}

// end makes the names durable, the lowest directory first.
func (s *dirSink) end() error {
	for _, dir := range []string{"blobs/sha256", "blobs", "."} {
		if err := syncDir(filepath.Join(s.root, dir)); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file beside path and puts it there when it is whole and
// durable. After an error nothing is left and what was there before still is.
//
// Something at path that is no file is written to as it is.
func WriteFile(ctx context.Context, path string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		return writeSpecial(ctx, path, write)
	}
	return writeFile(path, func(f *os.File) error { return write(f) })
}

func writeFile(path string, write func(*os.File) error) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return saveTo(path, errors.New("is a directory"))
	}
	f, err := newOutput(path)
	if err != nil {
		return saveTo(path, err)
	}
	if err = write(f.File); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.place(path)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
