package blobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// Partial is a blob that comes in. It is locked until Close or Discard, one of
// which has to be called; if the process ends before, what there is of
// it is found by the next Begin.
type Partial struct {
	store  *Store
	digest digest.Digest
	path   string
	f      *os.File
	have   int64
	kept   bool
}

// Begin opens what there is of a blob, be it nothing. Another process, or
// another caller, that has it open is waited for.
func (s *Store) Begin(ctx context.Context, d digest.Digest) (*Partial, error) {
	path, err := s.path(partial, d)
	if err != nil {
		return nil, err
	}
	if err := mkdirFor(path); err != nil {
		return nil, err
	}
	for {
		f, err := openRegular(path, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return nil, err
		}
		current, err := lock(ctx, f, path)
		if err == nil && !current {
			err = f.Close() // whoever had it is done with it
			if err == nil {
				continue
			}
			return nil, err
		}
		var fi os.FileInfo
		if err == nil {
			fi, err = f.Stat()
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("download of %s: %w", d, err), f.Close())
		}
		return &Partial{store: s, digest: d, path: path, f: f, have: fi.Size()}, nil
	}
}

// pause is how long to wait between two looks at a lock, which flock(2) offers
// no better way for that ends with ctx.
const pause = 50 * time.Millisecond

// lock waits for a file's lock and tells whether it still is what lies at path.
func lock(ctx context.Context, f *os.File, path string) (current bool, err error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return false, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false, context.Cause(ctx)
		}
	}
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if err != nil {
		return false, gone(err)
	}
	return os.SameFile(mine, there), nil
}

// Have is how many bytes there are.
func (p *Partial) Have() int64 { return p.have }

// Write adds bytes at the end.
func (p *Partial) Write(b []byte) (int, error) {
	n, err := p.f.WriteAt(b, p.have)
	p.have += int64(n)
	return n, err
}

// Reset drops what there is.
func (p *Partial) Reset() error {
	p.have = 0
	return p.f.Truncate(0)
}

// Reader reads what there is, from the beginning.
func (p *Partial) Reader() *io.SectionReader { return io.NewSectionReader(p.f, 0, p.have) }

// Close leaves what there is for the next time.
func (p *Partial) Close() error { return p.f.Close() }

// Discard removes it, unless it is kept, and ends its use.
func (p *Partial) Discard() error {
	var err error
	if !p.kept {
		err = gone(os.Remove(p.path))
	}
	return errors.Join(err, p.f.Close())
}

// Keep makes it a blob that is kept. The caller has seen that it is whole.
// It can still be read until Close.
func (p *Partial) Keep() error {
	if p.kept {
		return nil
	}
	to, err := p.store.path(kept, p.digest)
	if err != nil {
		return err
	}
	if err := mkdirFor(to); err != nil {
		return err
	}
	if err := p.f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(p.path, to); err != nil {
		return err
	}
	p.kept = true
	return syncDirOf(to)
}

func syncDirOf(path string) error { return durable.SyncDir(dirOf(path)) }
