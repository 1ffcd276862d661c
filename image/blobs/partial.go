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
//
// Whoever writes it has it alone. Once it is whole, others may read it too
// (Share): nobody waits for one who may be waiting for him, as two pulls of the
// same layers in another order would.
type Partial struct {
	store  *Store
	digest digest.Digest
	path   string
	f      *os.File
	have   int64
	kept   bool
	shared bool
}

// Begin opens what there is of a blob, be it nothing. Another process, or
// another caller, that writes it is waited for; one that shares it is not, and
// then it is Shared.
func (s *Store) Begin(ctx context.Context, d digest.Digest) (*Partial, error) {
	for {
		p, err := s.begin(d, true)
		if p != nil || err != nil {
			return p, err
		}
		if err := wait(ctx); err != nil {
			return nil, fmt.Errorf("download of %s: %w", d, err)
		}
	}
}

// Claim is Begin for one who wants to write it and has no need to: nil where
// somebody else has it.
func (s *Store) Claim(d digest.Digest) (*Partial, error) { return s.begin(d, false) }

// begin opens a partial blob, nil if it is not to be had now.
func (s *Store) begin(d digest.Digest, share bool) (*Partial, error) {
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
		p := &Partial{store: s, digest: d, path: path, f: f}
		got, err := p.lock(unix.LOCK_EX)
		if err == nil && !got && share {
			p.shared = true
			got, err = p.lock(unix.LOCK_SH)
		}
		current := false
		if err == nil && got {
			current, err = p.lies(path)
		}
		var fi os.FileInfo
		if err == nil && current {
			fi, err = f.Stat()
		}
		switch {
		case err != nil:
			return nil, errors.Join(fmt.Errorf("download of %s: %w", d, err), f.Close())
		case current:
			p.have = fi.Size()
			return p, nil
		}
		if err := f.Close(); err != nil || !got {
			return nil, err
		}
		// Whoever had it is done with it: another one is begun.
	}
}

// pause is how long to wait between two looks at a lock, which flock(2) offers
// no better way for that ends with ctx.
const pause = 50 * time.Millisecond

func wait(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lock takes a lock of the file if it is free. One that it had before may be
// lost where it is not.
func (p *Partial) lock(how int) (bool, error) {
	for {
		switch err := unix.Flock(int(p.f.Fd()), how|unix.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, err
		}
	}
}

// lies tells whether the file is what lies at path.
func (p *Partial) lies(path string) (bool, error) {
	mine, err := p.f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if err != nil {
		return false, gone(err)
	}
	return os.SameFile(mine, there), nil
}

// Shared tells whether others may have it open too, so that it cannot be
// written.
func (p *Partial) Shared() bool { return p.shared }

// Share lets others have it too, which is whole from now on. Where false, one of
// them came in between, and may have begun to write it: it is to be closed, and
// begun again.
func (p *Partial) Share() (bool, error) {
	p.shared = true
	return p.lock(unix.LOCK_SH)
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

// Discard removes it, unless it is kept or somebody else has it open still, and
// ends its use.
func (p *Partial) Discard() error {
	alone, err := p.lock(unix.LOCK_EX)
	if err == nil && alone {
		var current bool
		if current, err = p.lies(p.path); err == nil && current {
			err = gone(os.Remove(p.path))
		}
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
	// As long as somebody has it open it lies there, or is kept by another one.
	current, err := p.lies(p.path)
	if err == nil && current {
		err = gone(os.Rename(p.path, to))
	}
	if err != nil {
		return err
	}
	p.kept = true
	return syncDirOf(to)
}

func syncDirOf(path string) error { return durable.SyncDir(dirOf(path)) }
