package input

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/bulkhead/bulkhead/image/internal/fifo"
)

// OpenSingle opens what lies at path as one stream, decompressed if it is
// compressed; see ReadSingle.
func OpenSingle(ctx context.Context, path string, opts Options) (io.ReadCloser, error) {
	f, err := fifo.Open(ctx, path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return ReadSingle(ctx, f, opts)
}

// ReadSingle is what r yields, decompressed, for what is one file and no
// archive of images. It takes r over. A regular file is read as it is asked
// for; anything else is spooled first, so that nobody waits for it later.
func ReadSingle(ctx context.Context, r io.ReadCloser, opts Options) (io.ReadCloser, error) {
	limits := opts.Limits.fill()
	f, ok := r.(*os.File)
	if ok {
		fi, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		ok = fi.Mode().IsRegular()
	}
	if !ok {
		spooled, err := spool(ctx, r, opts.TempDir, limits)
		if err = errors.Join(err, r.Close()); err != nil {
			if spooled != nil {
				err = errors.Join(err, spooled.Close())
			}
			return nil, err
		}
		return spooled, nil
	}
	plain, _, err := Decompress(f, limits.Window)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &single{plain, f}, nil
}

type single struct {
	io.ReadCloser
	f *os.File
}

func (s *single) Close() error { return errors.Join(s.ReadCloser.Close(), s.f.Close()) }
