package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// copyDriver keeps every layer as a whole tree, copied from its parent's. It
// is as plain as a driver can be: no entries, no getter.
type copyDriver struct {
	home string
	note func(op, id string) // told of every mutation

	mu   sync.Mutex
	gets map[string]int
}

func newCopyDriver(home string) *copyDriver {
	return &copyDriver{home: home, note: func(string, string) {}, gets: map[string]int{}}
}

func (d *copyDriver) tree(id string) string { return filepath.Join(d.home, id, "tree") }
func (d *copyDriver) String() string        { return "copy" }

func (d *copyDriver) CreateReadWrite(ctx context.Context, id, parent string, o graphdriver.CreateOptions) error {
	return d.Create(ctx, id, parent, o)
}

func (d *copyDriver) Create(_ context.Context, id, parent string, _ graphdriver.CreateOptions) error {
	d.note("create", id)
	if err := os.MkdirAll(d.home, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(d.home, id), 0o700); errors.Is(err, fs.ErrExist) {
		return graphdriver.ErrExists
	} else if err != nil {
		return err
	}
	if parent == "" {
		return os.Mkdir(d.tree(id), 0o755)
	}
	if _, err := os.Stat(d.tree(parent)); err != nil {
		return graphdriver.ErrNotFound
	}
	return copyTree(d.tree(id), d.tree(parent))
}

// copyTree keeps names, contents, symlinks and hard links.
func copyTree(to, from string) error {
	links := map[any]string{}
	return filepath.WalkDir(from, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, p)
		dst := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.Mkdir(dst, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(target, dst)
		}
		st, err := os.Stat(p)
		if err != nil {
			return err
		}
		key := inode(st)
		if first, ok := links[key]; ok {
			return os.Link(first, dst)
		}
		links[key] = dst
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(dst, b, 0o644)
	})
}

func (d *copyDriver) Remove(_ context.Context, id string) error {
	d.note("remove", id)
	return os.RemoveAll(filepath.Join(d.home, id))
}

func (d *copyDriver) Get(_ context.Context, id, _ string) (string, error) {
	if _, err := os.Stat(d.tree(id)); err != nil {
		return "", graphdriver.ErrNotFound
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gets[id]++
	return d.tree(id), nil
}

func (d *copyDriver) Put(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gets[id]--
	return nil
}

func (d *copyDriver) Exists(_ context.Context, id string) (bool, error) {
	_, err := os.Stat(d.tree(id))
	return err == nil, nil
}

func (d *copyDriver) Status(context.Context) ([]graphdriver.Pair, error) {
	return []graphdriver.Pair{{Key: "Home", Value: d.home}}, nil
}

func (d *copyDriver) GetMetadata(_ context.Context, id string) (map[string]string, error) {
	return map[string]string{"id": id}, nil
}

func (d *copyDriver) Cleanup(context.Context) error { return nil }

// Diff tells added and changed files and what was deleted.
func (d *copyDriver) Diff(_ context.Context, id, parent string) (io.ReadCloser, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	below := filepath.Join(d.home, "none")
	if parent != "" {
		below = d.tree(parent)
	}
	err := filepath.WalkDir(d.tree(id), func(p string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(d.tree(id), p)
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		old, oerr := os.ReadFile(filepath.Join(below, rel))
		if err != nil || oerr == nil && bytes.Equal(b, old) {
			return err
		}
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: rel, Mode: 0o644, Size: int64(len(b))})
		_, err = w.Write(b)
		return err
	})
	if err == nil && parent != "" {
		err = filepath.WalkDir(below, func(p string, e fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(below, p)
			if _, serr := os.Lstat(filepath.Join(d.tree(id), rel)); serr != nil {
				w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(path.Dir(rel), ".wh."+path.Base(rel))})
			}
			return err
		})
	}
	return io.NopCloser(&buf), errors.Join(err, w.Close())
}

// Changes and DiffSize are told from Diff.
func (d *copyDriver) Changes(ctx context.Context, id, parent string) (all []graphdriver.Change, err error) {
	err = d.eachDiff(ctx, id, parent, func(h *tar.Header) {
		dir, base := path.Split("/" + h.Name)
		c := graphdriver.Change{Path: dir + base, Kind: graphdriver.Added}
		if gone, ok := strings.CutPrefix(base, ".wh."); ok {
			c = graphdriver.Change{Path: dir + gone, Kind: graphdriver.Deleted}
		} else if _, err := os.Lstat(filepath.Join(d.tree(parent), h.Name)); parent != "" && err == nil {
			c.Kind = graphdriver.Modified
		}
		all = append(all, c)
	})
	return graphdriver.NormalizeChanges(all), err
}

func (d *copyDriver) DiffSize(ctx context.Context, id, parent string) (size int64, err error) {
	err = d.eachDiff(ctx, id, parent, func(h *tar.Header) { size += h.Size })
	return size, err
}

func (d *copyDriver) eachDiff(ctx context.Context, id, parent string, do func(*tar.Header)) error {
	rc, err := d.Diff(ctx, id, parent)
	if err != nil {
		return err
	}
	for r := tar.NewReader(rc); ; {
		h, err := r.Next()
		if err == io.EOF {
			return rc.Close()
		}
		if err != nil {
			return err
		}
		do(h)
	}
}

func (d *copyDriver) ApplyDiff(ctx context.Context, id, parent string, r io.Reader) (int64, error) {
	n, err := d.extract(ctx, id, layertar.NewReader(r, nil))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	return n, err
}

func (d *copyDriver) extract(ctx context.Context, id string, src layertar.Source) (size int64, err error) {
	d.note("apply", id)
	root, err := os.OpenRoot(d.tree(id))
	if err != nil {
		return 0, err
	}
	defer root.Close()
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		e, err := src.Next()
		if err == io.EOF {
			return size, nil
		}
		if err == nil {
			err = put(root, e, src)
		}
		if err != nil {
			return 0, err
		}
		size += e.Size
	}
}

func put(root *os.Root, e *layertar.Entry, payload io.Reader) error {
	switch e.Kind {
	case layertar.Ignored, layertar.Opaque:
		return nil
	case layertar.Whiteout:
		return root.RemoveAll(e.Path)
	}
	if e.Path == "." {
		return nil
	}
	if err := root.MkdirAll(path.Dir(e.Path), 0o755); err != nil {
		return err
	}
	st, err := root.Lstat(e.Path)
	if err == nil && e.Kind == layertar.Dir && st.IsDir() {
		return nil
	}
	if err == nil {
		if err := root.RemoveAll(e.Path); err != nil {
			return err
		}
	}
	switch e.Kind {
	case layertar.Dir:
		return root.Mkdir(e.Path, 0o755)
	case layertar.Symlink:
		return root.Symlink(e.Link, e.Path)
	case layertar.Hardlink:
		return root.Link(e.Link, e.Path)
	}
	f, err := root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, payload)
	return errors.Join(err, f.Close())
}

// entryDriver takes entries and lets its files be read without Get.
type entryDriver struct{ *copyDriver }

func (d entryDriver) ApplyEntries(ctx context.Context, id, _ string, src layertar.Source) (int64, error) {
	return d.extract(ctx, id, src)
}

func (d entryDriver) DiffGetter(_ context.Context, id string) (graphdriver.FileGetCloser, error) {
	f, err := os.Open(d.tree(id))
	return &treeFiles{root: f, put: func() error { return nil }}, err
}

// exactDriver keeps archives as they came and claims so.
type exactDriver struct {
	*copyDriver
	lies bool
}

func (d exactDriver) Capabilities() graphdriver.Capabilities {
	return graphdriver.Capabilities{ReproducesExactDiffs: true}
}

func (d exactDriver) ApplyDiff(ctx context.Context, id, parent string, r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	n, err := d.copyDriver.ApplyDiff(ctx, id, parent, bytes.NewReader(b))
	if d.lies && len(b) > 0 {
		b[len(b)-1] ^= 1
	}
	return n, errors.Join(err, os.WriteFile(filepath.Join(d.home, id, "raw"), b, 0o600))
}

func (d exactDriver) Diff(_ context.Context, id, _ string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(d.home, id, "raw"))
}

// ids lists what the driver holds.
func (d *copyDriver) ids() []string {
	entries, _ := os.ReadDir(d.home)
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids
}

type inodeKey struct{ dev, ino uint64 }

func inode(st fs.FileInfo) inodeKey {
	s := st.Sys().(*syscall.Stat_t)
	return inodeKey{uint64(s.Dev), s.Ino}
}

func mkfifo(p string) error { return syscall.Mkfifo(p, 0o600) }
