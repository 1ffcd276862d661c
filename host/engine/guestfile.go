package engine

import (
	"syscall"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"

	"github.com/bulkhead/bulkhead/host/calls"
)

// fileOffset is int64 by another name: go vet takes every Seek(int64, int) for
// an io.Seeker, and wazero's is none.
type fileOffset = int64

// guestFile is a file that one call opened. end makes it answer EBADF for
// ever, whatever number the guest still knows it by.
type guestFile struct {
	in      *instance
	f       calls.File // nil once ended
	appends bool
}

func (g *guestFile) end() syscall.Errno {
	f := g.f
	if f == nil {
		return 0
	}
	g.f = nil
	delete(g.in.files, g)
	return f.Close()
}

// Dev implements the same method as documented on sys.File.
func (g *guestFile) Dev() (uint64, wasisys.Errno) {
	st, e := g.Stat()
	return st.Dev, e
}

// Ino implements the same method as documented on sys.File.
func (g *guestFile) Ino() (sys.Inode, wasisys.Errno) {
	st, e := g.Stat()
	return st.Ino, e
}

// IsDir implements the same method as documented on sys.File.
func (g *guestFile) IsDir() (bool, wasisys.Errno) {
	if g.f == nil {
		return false, wasisys.EBADF
	}
	is, e := g.f.IsDir()
	return is, errno(e)
}

// IsAppend implements the same method as documented on sys.File.
func (g *guestFile) IsAppend() bool { return g.appends }

// SetAppend implements the same method as documented on sys.File.
func (g *guestFile) SetAppend(on bool) wasisys.Errno {
	if g.f == nil {
		return wasisys.EBADF
	}
	e := errno(g.f.SetAppend(on))
	if e == 0 {
		g.appends = on
	}
	return e
}

// Stat implements the same method as documented on sys.File.
func (g *guestFile) Stat() (sys.Stat_t, wasisys.Errno) {
	if g.f == nil {
		return sys.Stat_t{}, wasisys.EBADF
	}
	st, e := g.f.Stat()
	return guestStat(st), errno(e)
}

// Read implements the same method as documented on sys.File.
func (g *guestFile) Read(p []byte) (int, wasisys.Errno) {
	if g.f == nil {
		return 0, wasisys.EBADF
	}
	n, e := g.f.Read(p)
	return n, errno(e)
}

// Pread implements the same method as documented on sys.File.
func (g *guestFile) Pread(p []byte, off int64) (int, wasisys.Errno) {
	if g.f == nil {
		return 0, wasisys.EBADF
	}
	n, e := g.f.Pread(p, off)
	return n, errno(e)
}

// Seek implements the same method as documented on sys.File.
func (g *guestFile) Seek(offset fileOffset, whence int) (int64, wasisys.Errno) {
	if g.f == nil {
		return 0, wasisys.EBADF
	}
	at, e := g.f.SeekTo(offset, whence)
	return at, errno(e)
}

// Readdir implements the same method as documented on sys.File. wazero takes
// fewer names than it asked for as the end, so this asks until there are none.
func (g *guestFile) Readdir(n int) ([]wasisys.Dirent, wasisys.Errno) {
	if g.f == nil {
		return nil, wasisys.EBADF
	}
	var out []wasisys.Dirent
	for n < 0 || len(out) < n {
		want := n
		if n > 0 {
			want = n - len(out)
		}
		names, e := g.f.Readdir(want)
		if e != 0 {
			return nil, errno(e)
		}
		if len(names) == 0 {
			break
		}
		for _, d := range names {
			out = append(out, wasisys.Dirent{Name: d.Name, Ino: d.Ino, Type: d.Type.Type()})
		}
		if n < 0 {
			break
		}
	}
	return out, 0
}

// Write implements the same method as documented on sys.File.
func (g *guestFile) Write(p []byte) (int, wasisys.Errno) {
	if g.f == nil {
		return 0, wasisys.EBADF
	}
	n, e := g.f.Write(p)
	return n, errno(e)
}

// Pwrite implements the same method as documented on sys.File.
func (g *guestFile) Pwrite(p []byte, off int64) (int, wasisys.Errno) {
	if g.f == nil {
		return 0, wasisys.EBADF
	}
	n, e := g.f.Pwrite(p, off)
	return n, errno(e)
}

// Truncate implements the same method as documented on sys.File.
func (g *guestFile) Truncate(size int64) wasisys.Errno {
	if g.f == nil {
		return wasisys.EBADF
	}
	return errno(g.f.Truncate(size))
}

// Sync implements the same method as documented on sys.File.
func (g *guestFile) Sync() wasisys.Errno {
	if g.f == nil {
		return wasisys.EBADF
	}
	return errno(g.f.Sync())
}

// Datasync implements the same method as documented on sys.File.
func (g *guestFile) Datasync() wasisys.Errno { return g.Sync() }

// Utimens implements the same method as documented on sys.File.
func (g *guestFile) Utimens(atim, mtim int64) wasisys.Errno {
	if g.f == nil {
		return wasisys.EBADF
	}
	return errno(g.f.Utimens(hostTime(atim), hostTime(mtim)))
}

// Close implements the same method as documented on sys.File. Closing a file
// of an earlier call succeeds: so the guest gets rid of its number.
func (g *guestFile) Close() wasisys.Errno { return errno(g.end()) }
