package calls

import (
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// openFile is a File of one call.
type openFile struct {
	c     *Call
	fd    int
	held  confine.Metered
	names []confine.DirName
	read  bool // names were read
	// path is where a file of the home was opened for writing, "" for any
	// other, and version what was sealed then.
	path    string
	version uint64
}

// writes begins a change of the file: what it was opened as may have become
// part of a sealed layer since. end is called once it is done.
func (f *openFile) writes() (end func(), err error) {
	if err := f.use(); err != nil {
		return nil, err
	}
	if f.path == "" {
		return func() {}, nil
	}
	seals := f.c.env.Seals
	seals.short.RLock()
	version := seals.Version()
	if version != f.version {
		if err := f.stillFree(); err != nil {
			seals.short.RUnlock()
			return nil, err
		}
		f.version = version
	}
	return seals.short.RUnlock, nil
}

func (f *openFile) stillFree() error {
	if err := f.c.maySeal(f.path, alter); err != nil {
		return err
	}
	st, err := confine.StatFd(f.fd)
	if err != nil {
		return err
	}
	there, err := f.c.env.Home.Lstat(f.path, confine.NoLinks)
	if err != nil || there.Ino != st.Ino || st.Nlink != 1 {
		return fmt.Errorf("file %q was moved or linked since it was opened, and a layer was committed: %w", f.path, graphdriver.ErrDenied)
	}
	return nil
}

// use begins an operation on the file.
func (f *openFile) use() error {
	if f.fd < 0 {
		return syscall.EBADF
	}
	if err := f.c.enter(); err != nil {
		return err
	}
	return f.c.settle()
}

// IsDir implements File.
func (f *openFile) IsDir() (bool, syscall.Errno) {
	st, errno := f.Stat()
	return st.Mode.IsDir(), errno
}

// Stat implements File.
func (f *openFile) Stat() (FileStat, syscall.Errno) {
	if err := f.use(); err != nil {
		return FileStat{}, f.c.errno(err)
	}
	st, err := confine.StatFd(f.fd)
	if err != nil {
		return FileStat{}, f.c.errno(err)
	}
	return fileStat(&st), 0
}

func (f *openFile) transfer(do func() (int, error)) (int, syscall.Errno) {
	if err := f.use(); err != nil {
		return 0, f.c.errno(err)
	}
	return f.retry(do)
}

func (f *openFile) put(do func() (int, error)) (int, syscall.Errno) {
	end, err := f.writes()
	if err != nil {
		return 0, f.c.errno(err)
	}
	defer end()
	return f.retry(do)
}

func (f *openFile) retry(do func() (int, error)) (int, syscall.Errno) {
	for {
		n, err := do()
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, f.c.errno(err)
		}
		return n, 0
	}
}

// Read implements File.
func (f *openFile) Read(p []byte) (int, syscall.Errno) {
	return f.transfer(func() (int, error) { return unix.Read(f.fd, p) })
}

// Pread implements File.
func (f *openFile) Pread(p []byte, off int64) (int, syscall.Errno) {
	return f.transfer(func() (int, error) { return unix.Pread(f.fd, p, off) })
}

// Write implements File.
func (f *openFile) Write(p []byte) (int, syscall.Errno) {
	return f.put(func() (int, error) {
		return f.held.Write(f.fd, -1, len(p), func() (int, error) { return unix.Write(f.fd, p) })
	})
}

// Pwrite implements File.
func (f *openFile) Pwrite(p []byte, off int64) (int, syscall.Errno) {
	return f.put(func() (int, error) {
		return f.held.Write(f.fd, off, len(p), func() (int, error) { return unix.Pwrite(f.fd, p, off) })
	})
}

// SeekTo implements File. A directory can only be read again from its start.
func (f *openFile) SeekTo(offset int64, whence int) (int64, syscall.Errno) {
	if err := f.use(); err != nil {
		return 0, f.c.errno(err)
	}
	n, err := unix.Seek(f.fd, offset, whence)
	if err == nil && offset == 0 && whence == io.SeekStart {
		f.names, f.read = nil, false
	}
	return n, f.c.errno(err)
}

// Readdir implements File.
func (f *openFile) Readdir(n int) ([]DirEntry, syscall.Errno) {
	if err := f.use(); err != nil {
		return nil, f.c.errno(err)
	}
	if !f.read {
		names, err := confine.ReadDirNames(f.fd)
		if err != nil {
			return nil, f.c.errno(err)
		}
		f.names, f.read = names, true
	}
	if n < 0 || n > len(f.names) {
		n = len(f.names)
	}
	out := make([]DirEntry, n)
	for i, name := range f.names[:n] {
		out[i] = DirEntry{Name: name.Name, Ino: name.Ino, Type: fileMode(name.Type).Type()}
	}
	f.names = f.names[n:]
	return out, 0
}

// Truncate implements File.
func (f *openFile) Truncate(size int64) syscall.Errno {
	return f.alter(func() error { return f.held.Truncate(f.fd, size) })
}

// Sync implements File.
func (f *openFile) Sync() syscall.Errno {
	return f.do(func() error { return unix.Fsync(f.fd) })
}

// Utimens implements File.
func (f *openFile) Utimens(atim, mtim int64) syscall.Errno {
	return f.alter(func() error {
		flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
		if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
			err = syscall.EPERM // opened for reading: the layer may be sealed
		}
		if err != nil {
			return err
		}
		return confine.SetTimes(f.fd, fileTime(atim), fileTime(mtim))
	})
}

// SetAppend implements File.
func (f *openFile) SetAppend(on bool) syscall.Errno {
	return f.do(func() error {
		flags, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		flags &^= unix.O_APPEND
		if on {
			flags |= unix.O_APPEND
		}
		_, err = unix.FcntlInt(uintptr(f.fd), unix.F_SETFL, flags)
		return err
	})
}

func (f *openFile) do(op func() error) syscall.Errno {
	if err := f.use(); err != nil {
		return f.c.errno(err)
	}
	return f.c.errno(op())
}

func (f *openFile) alter(op func() error) syscall.Errno {
	end, err := f.writes()
	if err != nil {
		return f.c.errno(err)
	}
	defer end()
	return f.c.errno(op())
}

// end gives the descriptor back.
func (f *openFile) end() error {
	f.held.Close(f.fd)
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}

// Close implements File.
func (f *openFile) Close() syscall.Errno {
	if f.fd < 0 {
		return syscall.EBADF
	}
	err := f.end()
	f.names = nil
	delete(f.c.files, f)
	f.c.opened--
	return f.c.errno(err)
}
