package engine

import (
	"io"
	"syscall"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// rootDir is the directory behind the descriptor that a guest is given for a
// mount. It outlives calls, so it opens the root anew in each call that reads
// it, and never keeps what it opened.
type rootDir struct {
	wasisys.DirFile
	fs *guestFS
	// dir is the listing in progress; it may be one of an earlier call, and
	// then answers EBADF until the guest begins again.
	dir wasisys.File
}

// Dev implements the same method as documented on sys.File.
func (r *rootDir) Dev() (uint64, wasisys.Errno) {
	st, e := r.Stat()
	return st.Dev, e
}

// Ino implements the same method as documented on sys.File.
func (r *rootDir) Ino() (sys.Inode, wasisys.Errno) {
	st, e := r.Stat()
	return st.Ino, e
}

// Stat implements the same method as documented on sys.File.
func (r *rootDir) Stat() (sys.Stat_t, wasisys.Errno) { return r.fs.Stat(".") }

// Seek implements the same method as documented on sys.File.
func (r *rootDir) Seek(offset fileOffset, whence int) (int64, wasisys.Errno) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errno(syscall.EINVAL)
	}
	r.drop()
	return 0, 0
}

// Readdir implements the same method as documented on sys.File.
func (r *rootDir) Readdir(n int) ([]wasisys.Dirent, wasisys.Errno) {
	if r.dir == nil {
		dir, e := r.fs.OpenFile(".", wasisys.O_RDONLY|wasisys.O_DIRECTORY, 0)
		if e != 0 {
			return nil, e
		}
		r.dir = dir
	}
	return r.dir.Readdir(n)
}

func (r *rootDir) drop() {
	if r.dir != nil {
		_ = r.dir.Close()
		r.dir = nil
	}
}

// Sync implements the same method as documented on sys.File.
func (r *rootDir) Sync() wasisys.Errno { return 0 }

// Datasync implements the same method as documented on sys.File.
func (r *rootDir) Datasync() wasisys.Errno { return 0 }

// Utimens implements the same method as documented on sys.File.
func (r *rootDir) Utimens(atim, mtim int64) wasisys.Errno { return r.fs.Utimens(".", atim, mtim) }

// Close implements the same method as documented on sys.File.
func (r *rootDir) Close() wasisys.Errno {
	r.drop()
	return 0
}
