package child

import (
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

func flag(on bool) uint32 {
	if on {
		return 1
	}
	return 0
}

func (s *session) onPath(op wire.Op, m calls.Mount, path string, u1 uint32) syscall.Errno {
	_, e := s.file(op, wire.Request{U: [3]uint32{uint32(m), u1}, B: [3][]byte{[]byte(path)}}, nil)
	return e
}

func (s *session) onTwo(op wire.Op, m calls.Mount, a, b string) syscall.Errno {
	_, e := s.file(op, wire.Request{U: [3]uint32{uint32(m)}, B: [3][]byte{[]byte(a), []byte(b)}}, nil)
	return e
}

func stat(b []byte, a wire.Answer, e syscall.Errno) (calls.FileStat, syscall.Errno) {
	if e != 0 {
		return calls.FileStat{}, e
	}
	st, err := wire.ParseStat(b[:a.Len])
	if err != nil {
		return st, syscall.EIO
	}
	return st, 0
}

// OpenFile implements calls.Files.
func (s *session) OpenFile(m calls.Mount, path string, flags int, perm uint32) (calls.File, syscall.Errno) {
	a, e := s.file(wire.OpOpenFile, wire.Request{U: [3]uint32{uint32(m), uint32(flags), perm}, B: [3][]byte{[]byte(path)}}, nil)
	if e != 0 {
		return nil, e
	}
	return &file{s: s, n: uint32(a.Ret)}, 0
}

// Stat implements calls.Files.
func (s *session) Stat(m calls.Mount, path string, follow bool) (calls.FileStat, syscall.Errno) {
	a, e := s.file(wire.OpStat, wire.Request{U: [3]uint32{uint32(m), flag(follow)}, B: [3][]byte{[]byte(path)}}, s.answers())
	return stat(s.buf, a, e)
}

// Mkdir implements calls.Files.
func (s *session) Mkdir(m calls.Mount, path string, perm uint32) syscall.Errno {
	return s.onPath(wire.OpMkdir, m, path, perm)
}

// RenameFile implements calls.Files.
func (s *session) RenameFile(m calls.Mount, from, to string) syscall.Errno {
	return s.onTwo(wire.OpRenameFile, m, from, to)
}

// LinkFile implements calls.Files.
func (s *session) LinkFile(m calls.Mount, from, to string) syscall.Errno {
	return s.onTwo(wire.OpLinkFile, m, from, to)
}

// Symlink implements calls.Files.
func (s *session) Symlink(m calls.Mount, target, path string) syscall.Errno {
	return s.onTwo(wire.OpSymlink, m, target, path)
}

// Readlink implements calls.Files.
func (s *session) Readlink(m calls.Mount, path string) (string, syscall.Errno) {
	a, e := s.file(wire.OpReadlink, wire.Request{U: [3]uint32{uint32(m)}, B: [3][]byte{[]byte(path)}}, s.answers())
	return string(s.buf[:a.Len]), e
}

// Unlink implements calls.Files.
func (s *session) Unlink(m calls.Mount, path string) syscall.Errno {
	return s.onPath(wire.OpUnlink, m, path, 0)
}

// Rmdir implements calls.Files.
func (s *session) Rmdir(m calls.Mount, path string) syscall.Errno {
	return s.onPath(wire.OpRmdir, m, path, 0)
}

// Utimens implements calls.Files.
func (s *session) Utimens(m calls.Mount, path string, atim, mtim int64) syscall.Errno {
	_, e := s.file(wire.OpUtimens, wire.Request{
		U: [3]uint32{uint32(m)}, W: [2]uint64{uint64(atim), uint64(mtim)}, B: [3][]byte{[]byte(path)},
	}, nil)
	return e
}
