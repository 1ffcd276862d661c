package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// tries is how often a database that is written meanwhile is read.
const tries = 5

// WalkFile walks the database in a file, and again from the beginning if it was
// written meanwhile; begin is called before each walk. A file that is not there
// is fs.ErrNotExist, and what is no regular file ErrCorrupt. A link is not
// followed, and nothing is waited for.
func WalkFile(ctx context.Context, path string, begin func(), visit func(buckets [][]byte, key, value []byte) error) error {
	for n := 0; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		begin()
		err := walkFile(ctx, path, visit)
		if !errors.Is(err, ErrChanged) || n == tries {
			return err
		}
	}
}

func walkFile(ctx context.Context, path string, visit func([][]byte, []byte, []byte) error) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	db, err := Open(ending{ctx, f}, fi.Size())
	if err == nil {
		err = db.Walk(visit)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// ending is a file that can be read until ctx is done.
type ending struct {
	ctx context.Context
	f   *os.File
}

func (e ending) ReadAt(p []byte, at int64) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.f.ReadAt(p, at)
}
