package layer

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/beneath"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// openFiles gives access to the files of a layer: by the driver's own way,
// or else beneath the tree that it makes available.
func (s *Store) openFiles(ctx context.Context, cacheID string) (graphdriver.FileGetCloser, error) {
	if d, ok := s.opts.Driver.(graphdriver.DiffGetterDriver); ok {
		return d.DiffGetter(ctx, cacheID)
	}
	dir, err := s.opts.Driver.Get(ctx, cacheID, "")
	if err != nil {
		return nil, err
	}
	put := func() error { return s.opts.Driver.Put(context.WithoutCancel(ctx), cacheID) }
	f, err := os.Open(dir)
	if err != nil {
		return nil, oneLine(err, put())
	}
	return &treeFiles{root: f, put: put}, nil
}

// treeFiles reads files beneath a directory. Symlinks on the way resolve as
// in a container, where that directory is the root.
type treeFiles struct {
	root *os.File
	put  func() error
}

func (t *treeFiles) Get(name string) (io.ReadCloser, error) {
	clean, err := layertar.CleanName(name)
	if err != nil {
		return nil, err
	}
	fd, err := t.open(clean)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	// Only what was looked at is opened: a device or a FIFO could hang or
	// act when it is opened.
	for {
		file, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			return &openFile{file}, nil
		}
		if err != unix.EINTR {
			return nil, fmt.Errorf("open: %w", err)
		}
	}
}

// openRegular opens a file of the store's own, which somebody may have put
// something else in the place of: it waits for nothing and follows nothing.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, errNotRegular)
	}
	if err != nil {
		return nil, oneLine(err, f.Close())
	}
	return f, nil
}

// openFile is a regular file open to be read. It does without os.File, whose
// poller costs more than a small file's reading.
type openFile struct{ fd int }

func (f *openFile) Read(p []byte) (int, error) {
	if f.fd < 0 {
		return 0, os.ErrClosed
	}
	for len(p) > 0 {
		n, err := unix.Read(f.fd, p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
	return 0, nil
}

func (f *openFile) Close() error {
	fd := f.fd
	if f.fd = -1; fd < 0 {
		return os.ErrClosed
	}
	return unix.Close(fd)
}

func (t *treeFiles) open(clean string) (int, error) {
	return beneath.Open(int(t.root.Fd()), clean, unix.O_PATH|unix.O_NOFOLLOW, 0, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

func (t *treeFiles) Close() error { return oneLine(t.root.Close(), t.put()) }
