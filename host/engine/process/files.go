package process

import (
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// file answers a file call; data is what of out, or instead of it, goes back.
func (in *instance) file(s calls.Session, out []byte) (a wire.Answer, data []byte, err error) {
	r := &in.req
	if r.Op >= wire.OpFileIsDir {
		return in.onFile(out)
	}
	m := calls.Mount(r.U[0])
	if r.U[0] > uint32(calls.Scratch) {
		return a, nil, &violation{"it named a mount that there is not"}
	}
	if len(r.B[0]) > wire.MaxPath || len(r.B[1]) > wire.MaxPath {
		a.Errno = syscall.ENAMETOOLONG
		return a, nil, nil
	}
	path, other := string(r.B[0]), string(r.B[1])
	switch r.Op {
	case wire.OpOpenFile:
		var f calls.File
		if f, a.Errno = s.OpenFile(m, path, int(r.U[1]), r.U[2]); a.Errno == 0 {
			a.Ret = int64(in.number(f))
		}
	case wire.OpStat:
		var st calls.FileStat
		st, a.Errno = s.Stat(m, path, r.U[1] != 0)
		data = stat(out, st, &a)
	case wire.OpMkdir:
		a.Errno = s.Mkdir(m, path, r.U[1])
	case wire.OpRenameFile:
		a.Errno = s.RenameFile(m, path, other)
	case wire.OpLinkFile:
		a.Errno = s.LinkFile(m, path, other)
	case wire.OpSymlink:
		a.Errno = s.Symlink(m, path, other)
	case wire.OpReadlink:
		var target string
		if target, a.Errno = s.Readlink(m, path); len(target) > len(out) {
			a.Errno = syscall.ENAMETOOLONG
		} else if a.Errno == 0 {
			data = append(out[:0], target...)
		}
	case wire.OpUnlink:
		a.Errno = s.Unlink(m, path)
	case wire.OpRmdir:
		a.Errno = s.Rmdir(m, path)
	case wire.OpUtimens:
		a.Errno = s.Utimens(m, path, int64(r.W[0]), int64(r.W[1]))
	}
	return a, data, nil
}

// number gives a file a number that is free.
func (in *instance) number(f calls.File) int {
	for i, used := range in.files {
		if used == nil {
			in.files[i] = f
			return i
		}
	}
	in.files = append(in.files, f)
	return len(in.files) - 1
}

// onFile answers a call on an open file.
func (in *instance) onFile(out []byte) (a wire.Answer, data []byte, err error) {
	r := &in.req
	if uint64(r.U[0]) >= uint64(len(in.files)) || in.files[r.U[0]] == nil {
		a.Errno = syscall.EBADF
		return a, nil, nil
	}
	f := in.files[r.U[0]]
	if len(r.B[0]) > wire.MaxTransfer || len(out) > max(wire.MaxTransfer, wire.MaxNames) {
		return a, nil, &violation{"it would transfer more than is transferred at once"}
	}
	n := 0
	switch r.Op {
	case wire.OpFileIsDir:
		var is bool
		if is, a.Errno = f.IsDir(); is {
			a.Ret = 1
		}
	case wire.OpFileStat:
		var st calls.FileStat
		st, a.Errno = f.Stat()
		data = stat(out, st, &a)
	case wire.OpFileRead:
		n, a.Errno = f.Read(out)
		data = out[:max(n, 0)]
	case wire.OpFilePread:
		n, a.Errno = f.Pread(out, int64(r.W[0]))
		data = out[:max(n, 0)]
	case wire.OpFileSeek:
		a.Ret, a.Errno = f.SeekTo(int64(r.W[0]), int(r.U[1]))
	case wire.OpFileReaddir:
		var list []calls.DirEntry
		if list, a.Errno = f.Readdir(int(min(r.U[1], wire.MaxDirEntries))); a.Errno == 0 {
			data = names(out, list, &a)
		}
	case wire.OpFileWrite:
		n, a.Errno = f.Write(r.B[0])
		a.Ret = int64(n)
	case wire.OpFilePwrite:
		n, a.Errno = f.Pwrite(r.B[0], int64(r.W[0]))
		a.Ret = int64(n)
	case wire.OpFileTruncate:
		a.Errno = f.Truncate(int64(r.W[0]))
	case wire.OpFileSync:
		a.Errno = f.Sync()
	case wire.OpFileUtimens:
		a.Errno = f.Utimens(int64(r.W[0]), int64(r.W[1]))
	case wire.OpFileSetAppend:
		a.Errno = f.SetAppend(r.U[1] != 0)
	case wire.OpFileClose:
		a.Errno = f.Close()
		in.files[r.U[0]] = nil
	}
	return a, data, nil
}

func stat(out []byte, st calls.FileStat, a *wire.Answer) []byte {
	if a.Errno != 0 {
		return nil
	}
	data := wire.AppendStat(out[:0], st)
	if len(data) > len(out) { // a child of ours asks for enough
		a.Errno = syscall.EINVAL
		return nil
	}
	return data
}

func names(out []byte, list []calls.DirEntry, a *wire.Answer) []byte {
	data := out[:0]
	for _, d := range list {
		data = wire.AppendDirEntry(data, d)
	}
	if len(data) > len(out) {
		a.Errno = syscall.EINVAL
		return nil
	}
	return data
}
