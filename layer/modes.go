package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ExamineModes looks at a file, or at a directory with all beneath it, for what
// somebody else than its owner could alter, and tells report of each; nothing
// there is no fault. Who owns what lies above owns it all.
func ExamineModes(ctx context.Context, top string, report func(path, what string) error) error {
	up, err := os.Lstat(filepath.Dir(top))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		var fi fs.FileInfo
		if err == nil {
			fi, err = d.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // gone meanwhile
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case fi.Mode()&fs.ModeSymlink == 0 && fi.Mode().Perm()&0o002 != 0:
			return report(p, fmt.Sprintf("mode %#o lets anybody write it", fi.Mode().Perm()))
		case ownerOf(fi) != ownerOf(up):
			return report(p, fmt.Sprintf("belongs to uid %d, and the store to %d", ownerOf(fi), ownerOf(up)))
		}
		return nil
	})
}

func ownerOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
