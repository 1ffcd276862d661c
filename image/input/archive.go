package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bulkhead/bulkhead/image/internal/fifo"
)

// ErrRefused is wrapped by every error that the archive's content causes, as
// opposed to a failing disk.
var ErrRefused = errors.New("image archive refused")

// ErrMissing: the archive has no such file. It comes with ErrRefused.
var ErrMissing = errors.New("not in the archive")

// Archive is an image archive that is open. Methods may be called
// concurrently.
type Archive interface {
	// Open opens a regular file by its clean, relative name. Anything else
	// under that name is ErrRefused, nothing is also ErrMissing.
	Open(name string) (File, error)
	// OpenLinked is Open, and follows links within the archive, as
	// docker-save archives use them for layers that occur twice.
	OpenLinked(name string) (File, error)
	// Close ends the use of the archive and of files that are open.
	Close() error
}

// File is a regular file of an archive.
type File interface {
	io.ReadCloser
	// Size is how many bytes it has.
	Size() int64
}

// Limits bound what an archive may make us hold. Zero fields are defaults.
type Limits struct {
	// Entries of a tar, by default 65536.
	Entries int
	// Name is the longest name or link target in bytes, by default 4096; Names
	// is how long they may be all together, by default 16 MiB.
	Name, Names int
	// Spool is how many bytes of a pipe or of decompressed data may be put
	// in a temporary file, by default 256 GiB.
	Spool int64
	// Window is the largest window of a zstd stream, which is held in memory,
	// by default DefaultWindow.
	Window int64
}

func (l Limits) fill() Limits {
	if l.Entries == 0 {
		l.Entries = 1 << 16
	}
	if l.Name == 0 {
		l.Name = 4096
	}
	if l.Names == 0 {
		l.Names = 16 << 20
	}
	if l.Window == 0 {
		l.Window = DefaultWindow
	}
	if l.Spool == 0 {
		l.Spool = 256 << 30
	}
	return l
}

// Options say how to open an archive.
type Options struct {
	Limits Limits
	// TempDir is where what cannot be read in place is kept meanwhile, by
	// default the system's. Nothing is left there.
	TempDir string
}

// Open opens the archive at path: a directory, a tar file, a compressed one,
// or something to read one from, such as a named pipe.
func Open(ctx context.Context, path string, opts Options) (Archive, error) {
	f, err := fifo.Open(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		return &dirArchive{root: f, path: path}, nil
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return Read(ctx, f, opts)
}

// Read opens the archive that r yields, and takes r over. A regular file at
// its beginning is read in place if it is not compressed; anything else is
// spooled to a temporary file that has no name. The wait for a pipe ends
// with ctx.
func Read(ctx context.Context, r io.ReadCloser, opts Options) (Archive, error) {
	limits := opts.Limits.fill()
	if f, ok := r.(*os.File); ok && plain(f) {
		return openFile(f, limits)
	}
	spooled, err := spool(ctx, r, opts.TempDir, limits)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.Close(); err != nil {
		return nil, errors.Join(err, spooled.Close())
	}
	return openFile(spooled, limits)
}

// openFile indexes a tar and takes the file over.
func openFile(f *os.File, limits Limits) (Archive, error) {
	a, err := indexTar(f, limits)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

// plain reports whether f can be read in place: regular, uncompressed, and
// not begun.
func plain(f *os.File) bool {
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return false
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return false
	}
	head := make([]byte, sniffLen)
	n, err := f.ReadAt(head, 0)
	return (err == nil || errors.Is(err, io.EOF)) && Sniff(head[:n]) == None
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}
