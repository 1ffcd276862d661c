package engine

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// fake answers what a test cares about; anything else would panic, which is a
// test of its own.
type fake struct {
	calls.Session
	dirs [2]string // of the two mounts

	mu    sync.Mutex
	lines []string
	saw   [][]byte
	open  int
	flags uint32
	on    func(name string, b ...[]byte) int32
}

func (f *fake) note(name string, b ...[]byte) int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range b {
		f.saw = append(f.saw, append([]byte(nil), v...))
	}
	if f.on != nil {
		return f.on(name, b...)
	}
	return 0
}

func (f *fake) CallArgs(b []byte) int32 { return f.note(abi.ImportCallArgs, b) }
func (f *fake) Result(b []byte) int32   { return f.note(abi.ImportResult, b) }
func (f *fake) BaseOpen(p []byte) int64 { return int64(f.note(abi.ImportBaseOpen, p)) }
func (f *fake) BaseStack(p []byte, flags uint32) int64 {
	f.flags = flags
	return int64(f.note(abi.ImportBaseStack, p))
}
func (f *fake) DiffEmit(b []byte) int32      { return f.note(abi.ImportDiffEmit, b) }
func (f *fake) FilesEqual(a, b []byte) int32 { return f.note(abi.ImportFilesEqual, a, b) }
func (f *fake) Log(_ uint32, text []byte) int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, string(text))
	return 0
}

func errnoOf(err error) syscall.Errno {
	var e syscall.Errno
	if err != nil && !errors.As(err, &e) {
		e = syscall.EIO
	}
	return e
}

func (f *fake) path(m calls.Mount, p string) string { return filepath.Join(f.dirs[m], p) }

func (f *fake) OpenFile(m calls.Mount, p string, flag int, perm uint32) (calls.File, syscall.Errno) {
	file, err := os.OpenFile(f.path(m, p), flag, fs.FileMode(perm))
	if err != nil {
		return nil, errnoOf(err)
	}
	f.open++
	return &fakeFile{f: file, owner: f, flag: flag}, 0
}

func (f *fake) Stat(m calls.Mount, p string, follow bool) (calls.FileStat, syscall.Errno) {
	stat := os.Lstat
	if follow {
		stat = os.Stat
	}
	fi, err := stat(f.path(m, p))
	return statOf(fi), errnoOf(err)
}

func (f *fake) Mkdir(m calls.Mount, p string, perm uint32) syscall.Errno {
	return errnoOf(os.Mkdir(f.path(m, p), fs.FileMode(perm)))
}

func (f *fake) RenameFile(m calls.Mount, from, to string) syscall.Errno {
	return errnoOf(syscall.Rename(f.path(m, from), f.path(m, to)))
}

func (f *fake) LinkFile(m calls.Mount, from, to string) syscall.Errno {
	return errnoOf(syscall.Link(f.path(m, from), f.path(m, to)))
}

func (f *fake) Symlink(m calls.Mount, target, p string) syscall.Errno {
	return errnoOf(syscall.Symlink(target, f.path(m, p)))
}

func (f *fake) Readlink(m calls.Mount, p string) (string, syscall.Errno) {
	t, err := os.Readlink(f.path(m, p))
	return t, errnoOf(err)
}

func (f *fake) Unlink(m calls.Mount, p string) syscall.Errno {
	return errnoOf(syscall.Unlink(f.path(m, p)))
}

func (f *fake) Rmdir(m calls.Mount, p string) syscall.Errno {
	return errnoOf(syscall.Rmdir(f.path(m, p)))
}

func (f *fake) Utimens(m calls.Mount, p string, atim, mtim int64) syscall.Errno {
	ts := []syscall.Timespec{syscall.NsecToTimespec(atim), syscall.NsecToTimespec(mtim)}
	return errnoOf(syscall.UtimesNano(f.path(m, p), ts))
}

func statOf(fi fs.FileInfo) calls.FileStat {
	if fi == nil {
		return calls.FileStat{}
	}
	st := fi.Sys().(*syscall.Stat_t)
	return calls.FileStat{Dev: st.Dev, Ino: st.Ino, Mode: fi.Mode(), Nlink: uint64(st.Nlink), Size: st.Size,
		Atim: st.Atim.Nano(), Mtim: st.Mtim.Nano(), Ctim: st.Ctim.Nano()}
}

type fakeFile struct {
	f     *os.File
	owner *fake
	flag  int
}

func (f *fakeFile) IsDir() (bool, syscall.Errno) {
	fi, err := f.f.Stat()
	return err == nil && fi.IsDir(), errnoOf(err)
}

func (f *fakeFile) Stat() (calls.FileStat, syscall.Errno) {
	fi, err := f.f.Stat()
	return statOf(fi), errnoOf(err)
}

func (f *fakeFile) Read(p []byte) (int, syscall.Errno) {
	n, err := f.f.Read(p)
	if err == io.EOF {
		err = nil
	}
	return n, errnoOf(err)
}

func (f *fakeFile) Pread(p []byte, off int64) (int, syscall.Errno) {
	n, err := f.f.ReadAt(p, off)
	if err == io.EOF {
		err = nil
	}
	return n, errnoOf(err)
}

func (f *fakeFile) SeekTo(off int64, whence int) (int64, syscall.Errno) {
	n, err := f.f.Seek(off, whence)
	return n, errnoOf(err)
}

// Readdir returns at most three names a time: the engine must ask on.
func (f *fakeFile) Readdir(n int) ([]calls.DirEntry, syscall.Errno) {
	if n > 3 {
		n = 3
	}
	list, err := f.f.ReadDir(n)
	if err == io.EOF {
		err = nil
	}
	var out []calls.DirEntry
	for _, d := range list {
		out = append(out, calls.DirEntry{Name: d.Name(), Type: d.Type()})
	}
	return out, errnoOf(err)
}

func (f *fakeFile) Write(p []byte) (int, syscall.Errno) {
	n, err := f.f.Write(p)
	return n, errnoOf(err)
}

func (f *fakeFile) Pwrite(p []byte, off int64) (int, syscall.Errno) {
	n, err := f.f.WriteAt(p, off)
	return n, errnoOf(err)
}

func (f *fakeFile) Truncate(size int64) syscall.Errno { return errnoOf(f.f.Truncate(size)) }
func (f *fakeFile) Sync() syscall.Errno               { return errnoOf(f.f.Sync()) }

func (f *fakeFile) Utimens(atim, mtim int64) syscall.Errno {
	return f.owner.Utimens(calls.Home, f.f.Name()[len(f.owner.dirs[0]):], atim, mtim)
}

func (f *fakeFile) SetAppend(on bool) syscall.Errno {
	flag := f.flag &^ syscall.O_APPEND
	if on {
		flag |= syscall.O_APPEND
	}
	_, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.f.Fd(), syscall.F_SETFL, uintptr(flag))
	return e
}

func (f *fakeFile) Close() syscall.Errno {
	f.owner.open--
	return errnoOf(f.f.Close())
}

// compiled makes a module that is closed with the test.
func compiled(t *testing.T, wasm []byte, l Limits, o Options) Module {
	t.Helper()
	return compiledBy(t, Config{}, wasm, l, o)
}

func compiledBy(t *testing.T, cfg Config, wasm []byte, l Limits, o Options) Module {
	t.Helper()
	m, err := tryCompile(t, cfg, wasm, l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if used := m.(*module).budget.used.Load(); used != 0 {
			t.Errorf("%d bytes of memory were not given back", used)
		}
	})
	return m
}

func tryCompile(t *testing.T, cfg Config, wasm []byte, l Limits, o Options) (Module, error) {
	t.Helper()
	ctx := context.Background()
	rt, err := New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close(ctx) })
	return rt.Compile(ctx, "test", wasm, l, o)
}
