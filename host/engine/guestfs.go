package engine

import (
	"io/fs"
	"path"
	"strings"
	"syscall"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"

	"github.com/bulkhead/bulkhead/host/calls"
)

// guestFS is one mount of a guest. It lives as long as the instance and asks
// the session of the call that runs, so that it is nothing between calls.
type guestFS struct {
	wasisys.UnimplementedFS
	in    *instance
	mount calls.Mount
}

// at returns the session and the path as the session takes it: wazero hands
// over a lexically cleaned path, joined to the name of the directory it was
// opened by, and sometimes a trailing slash.
func (g *guestFS) at(p string) (calls.Session, string, wasisys.Errno) {
	if g.in.session == nil {
		return nil, "", wasisys.EBADF
	}
	p = path.Clean(strings.TrimLeft(p, "/"))
	if p == ".." || strings.HasPrefix(p, "../") {
		return nil, "", wasisys.EPERM
	}
	return g.in.session, p, 0
}

// errno translates; what WASI's list in wazero lacks becomes EIO.
func errno(e syscall.Errno) wasisys.Errno {
	if e == 0 {
		return 0
	}
	return wasisys.UnwrapOSError(e)
}

var openFlags = [...]struct {
	wasi wasisys.Oflag
	host int
}{
	{wasisys.O_APPEND, syscall.O_APPEND},
	{wasisys.O_CREAT, syscall.O_CREAT},
	{wasisys.O_DIRECTORY, syscall.O_DIRECTORY},
	{wasisys.O_DSYNC, syscall.O_DSYNC},
	{wasisys.O_EXCL, syscall.O_EXCL},
	{wasisys.O_NOFOLLOW, syscall.O_NOFOLLOW},
	{wasisys.O_NONBLOCK, syscall.O_NONBLOCK},
	{wasisys.O_RSYNC, syscall.O_RSYNC},
	{wasisys.O_SYNC, syscall.O_SYNC},
	{wasisys.O_TRUNC, syscall.O_TRUNC},
}

func hostFlags(f wasisys.Oflag) int {
	var out int
	switch f & (wasisys.O_RDWR | wasisys.O_WRONLY) {
	case wasisys.O_RDWR:
		out = syscall.O_RDWR
	case wasisys.O_WRONLY:
		out = syscall.O_WRONLY
	}
	for _, o := range openFlags {
		if f&o.wasi != 0 {
			out |= o.host
		}
	}
	return out
}

// OpenFile implements the same method as documented on sys.FS.
func (g *guestFS) OpenFile(p string, flag wasisys.Oflag, perm fs.FileMode) (wasisys.File, wasisys.Errno) {
	// wazero opens "." once per instance for the descriptor that a guest is
	// given, with no permissions, which path_open never does. That one must
	// not hold a file of any one call.
	if p == "." && flag == wasisys.O_RDONLY && perm == 0 {
		return &rootDir{fs: g}, 0
	}
	s, p, e := g.at(p)
	if e != 0 {
		return nil, e
	}
	if len(g.in.files) >= g.in.module.limits.OpenFiles {
		return nil, errno(syscall.ENFILE)
	}
	f, he := s.OpenFile(g.mount, p, hostFlags(flag), uint32(perm.Perm()))
	if he != 0 {
		return nil, errno(he)
	}
	gf := &guestFile{in: g.in, f: f, appends: flag&wasisys.O_APPEND != 0}
	g.in.files[gf] = struct{}{}
	return gf, 0
}

// Lstat implements the same method as documented on sys.FS.
func (g *guestFS) Lstat(p string) (sys.Stat_t, wasisys.Errno) { return g.stat(p, false) }

// Stat implements the same method as documented on sys.FS.
func (g *guestFS) Stat(p string) (sys.Stat_t, wasisys.Errno) { return g.stat(p, true) }

func (g *guestFS) stat(p string, follow bool) (sys.Stat_t, wasisys.Errno) {
	s, p, e := g.at(p)
	if e != 0 {
		return sys.Stat_t{}, e
	}
	st, he := s.Stat(g.mount, p, follow)
	return guestStat(st), errno(he)
}

// Mkdir implements the same method as documented on sys.FS.
func (g *guestFS) Mkdir(p string, perm fs.FileMode) wasisys.Errno {
	s, p, e := g.at(p)
	if e != 0 {
		return e
	}
	return errno(s.Mkdir(g.mount, p, uint32(perm.Perm())))
}

// Rename implements the same method as documented on sys.FS.
func (g *guestFS) Rename(from, to string) wasisys.Errno {
	_, from, e := g.at(from)
	s, to, e2 := g.at(to)
	if e|e2 != 0 {
		return max(e, e2)
	}
	return errno(s.RenameFile(g.mount, from, to))
}

// Link implements the same method as documented on sys.FS.
func (g *guestFS) Link(from, to string) wasisys.Errno {
	_, from, e := g.at(from)
	s, to, e2 := g.at(to)
	if e|e2 != 0 {
		return max(e, e2)
	}
	return errno(s.LinkFile(g.mount, from, to))
}

// Symlink implements the same method as documented on sys.FS.
func (g *guestFS) Symlink(target, p string) wasisys.Errno {
	s, p, e := g.at(p)
	if e != 0 {
		return e
	}
	// wazero's string lies in the guest's memory.
	return errno(s.Symlink(g.mount, strings.Clone(target), p))
}

// Readlink implements the same method as documented on sys.FS.
func (g *guestFS) Readlink(p string) (string, wasisys.Errno) {
	s, p, e := g.at(p)
	if e != 0 {
		return "", e
	}
	target, he := s.Readlink(g.mount, p)
	return target, errno(he)
}

// Unlink implements the same method as documented on sys.FS.
func (g *guestFS) Unlink(p string) wasisys.Errno {
	s, p, e := g.at(p)
	if e != 0 {
		return e
	}
	return errno(s.Unlink(g.mount, p))
}

// Rmdir implements the same method as documented on sys.FS.
func (g *guestFS) Rmdir(p string) wasisys.Errno {
	s, p, e := g.at(p)
	if e != 0 {
		return e
	}
	return errno(s.Rmdir(g.mount, p))
}

// Utimens implements the same method as documented on sys.FS.
func (g *guestFS) Utimens(p string, atim, mtim int64) wasisys.Errno {
	s, p, e := g.at(p)
	if e != 0 {
		return e
	}
	return errno(s.Utimens(g.mount, p, hostTime(atim), hostTime(mtim)))
}

func hostTime(ns int64) int64 {
	if ns == wasisys.UTIME_OMIT {
		return calls.UtimeOmit
	}
	return ns
}

func guestStat(st calls.FileStat) sys.Stat_t {
	return sys.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Mode: st.Mode, Nlink: st.Nlink, Size: st.Size,
		Atim: st.Atim, Mtim: st.Mtim, Ctim: st.Ctim,
	}
}
