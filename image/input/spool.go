package input

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// spool copies what r yields, decompressed, into a temporary file that has
// no name, so that nothing is left of it however the process ends.
func spool(ctx context.Context, r io.Reader, dir string, limits Limits) (_ *os.File, err error) {
	f, err := Nameless(dir)
	if err != nil {
		return nil, fmt.Errorf("keep the archive %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	source, stop := interruptible(ctx, r)
	defer stop()
	plain, _, err := Decompress(source, limits.Window)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	n, err := io.Copy(f, io.LimitReader(plain, limits.Spool+1))
	var full *os.PathError
	if errors.As(err, &full) && full.Path == f.Name() {
		return nil, fmt.Errorf("keep the archive %w", inPlace(dir, full.Err))
	}
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	if n > limits.Spool {
		return nil, refuse("longer than %d bytes; raise limits.spool to read more from a pipe, or of what is compressed", limits.Spool)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return f, nil
}

// inPlace says of an error where room for temporary files was looked for.
func inPlace(dir string, err error) error {
	return fmt.Errorf("in %s (temp-dir names another place): %w", cmp.Or(dir, os.TempDir()), err)
}

// Nameless makes a file in a directory, "" for the system's, that vanishes when
// it is closed. Its error begins with where that was to be.
func Nameless(dir string) (*os.File, error) {
	f, err := nameless(cmp.Or(dir, os.TempDir()))
	if err != nil {
		return nil, inPlace(dir, err)
	}
	return f, nil
}

func nameless(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	f, err := os.CreateTemp(dir, ".bulkhead-temp-") // no O_TMPFILE here
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// interruptible yields what r does until ctx is done. A Read of r that never
// returns then stays behind with its goroutine; only so can the wait for a
// terminal or a pipe be ended. stop is called when no more is read.
func interruptible(ctx context.Context, r io.Reader) (_ io.Reader, stop func()) {
	pr, pw := io.Pipe()
	unwatch := context.AfterFunc(ctx, func() { pw.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{pw}, struct{ io.Reader }{r}, make([]byte, 256<<10))
		pw.CloseWithError(err)
	}()
	return pr, func() {
		unwatch()
		pr.Close()
	}
}
