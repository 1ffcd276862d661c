package child

import (
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// file is an open file of the host's, by its number.
type file struct {
	s *session
	n uint32
}

func (f *file) ask(op wire.Op, r wire.Request, out []byte) (wire.Answer, syscall.Errno) {
	r.U[0] = f.n
	return f.s.file(op, r, out)
}

func (f *file) do(op wire.Op, r wire.Request) syscall.Errno {
	_, e := f.ask(op, r, nil)
	return e
}

// IsDir implements calls.File.
func (f *file) IsDir() (bool, syscall.Errno) {
	a, e := f.ask(wire.OpFileIsDir, wire.Request{}, nil)
	return a.Ret == 1, e
}

// Stat implements calls.File.
func (f *file) Stat() (calls.FileStat, syscall.Errno) {
	a, e := f.ask(wire.OpFileStat, wire.Request{}, f.s.answers())
	return stat(f.s.buf, a, e)
}

// Read implements calls.File.
func (f *file) Read(p []byte) (int, syscall.Errno) {
	a, e := f.ask(wire.OpFileRead, wire.Request{}, p[:min(len(p), wire.MaxTransfer)])
	return int(a.Len), e
}

// Pread implements calls.File.
func (f *file) Pread(p []byte, off int64) (int, syscall.Errno) {
	a, e := f.ask(wire.OpFilePread, wire.Request{W: [2]uint64{uint64(off)}}, p[:min(len(p), wire.MaxTransfer)])
	return int(a.Len), e
}

// SeekTo implements calls.File.
func (f *file) SeekTo(offset int64, whence int) (int64, syscall.Errno) {
	a, e := f.ask(wire.OpFileSeek, wire.Request{W: [2]uint64{uint64(offset)}, U: [3]uint32{0, uint32(whence)}}, nil)
	return a.Ret, e
}

// Readdir implements calls.File.
func (f *file) Readdir(n int) ([]calls.DirEntry, syscall.Errno) {
	var all []calls.DirEntry
	for n < 0 || len(all) < n {
		want := uint32(wire.MaxDirEntries)
		if n >= 0 {
			want = min(want, uint32(n-len(all)))
		}
		a, e := f.ask(wire.OpFileReaddir, wire.Request{U: [3]uint32{0, want}}, f.s.answers())
		if e != 0 {
			return nil, e
		}
		some, err := wire.ParseDirEntries(f.s.buf[:a.Len])
		if err != nil {
			return nil, syscall.EIO
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	return all, 0
}

// Write implements calls.File.
func (f *file) Write(p []byte) (int, syscall.Errno) {
	return f.pieces(p, func(part []byte, _ int) (wire.Answer, syscall.Errno) {
		return f.ask(wire.OpFileWrite, wire.Request{B: [3][]byte{part}}, nil)
	})
}

// Pwrite implements calls.File.
func (f *file) Pwrite(p []byte, off int64) (int, syscall.Errno) {
	return f.pieces(p, func(part []byte, at int) (wire.Answer, syscall.Errno) {
		return f.ask(wire.OpFilePwrite, wire.Request{W: [2]uint64{uint64(off) + uint64(at)}, B: [3][]byte{part}}, nil)
	})
}

// pieces writes what is larger than one transfer in several.
func (f *file) pieces(p []byte, write func(part []byte, at int) (wire.Answer, syscall.Errno)) (n int, e syscall.Errno) {
	for {
		part := p[n:min(len(p), n+wire.MaxTransfer)]
		a, e := write(part, n)
		n += int(a.Ret)
		if e != 0 || n == len(p) || int(a.Ret) < len(part) {
			return n, e
		}
	}
}

// Truncate implements calls.File.
func (f *file) Truncate(size int64) syscall.Errno {
	return f.do(wire.OpFileTruncate, wire.Request{W: [2]uint64{uint64(size)}})
}

// Sync implements calls.File.
func (f *file) Sync() syscall.Errno { return f.do(wire.OpFileSync, wire.Request{}) }

// Utimens implements calls.File.
func (f *file) Utimens(atim, mtim int64) syscall.Errno {
	return f.do(wire.OpFileUtimens, wire.Request{W: [2]uint64{uint64(atim), uint64(mtim)}})
}

// SetAppend implements calls.File.
func (f *file) SetAppend(on bool) syscall.Errno {
	return f.do(wire.OpFileSetAppend, wire.Request{U: [3]uint32{0, flag(on)}})
}

// Close implements calls.File.
func (f *file) Close() syscall.Errno { return f.do(wire.OpFileClose, wire.Request{}) }
