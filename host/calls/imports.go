package calls

import (
	"io/fs"
	"syscall"
)

// Imports is everything a guest may ask for during one call, as functions
// over values. Names and meaning are those of abi/README.md; each int32 is
// a length, 0, or a negative abi.Code. A buffer belongs to the caller again
// when the function returns, so whatever is kept is copied first.
//
// The same value answers whatever runs the guest: wasm in this process, a
// child, or the driver's source built natively.
type Imports interface {
	CallArgs(buf []byte) int32
	Result(rec []byte) int32
	Fail(code int32, subject, text []byte) int32
	Log(level uint32, text []byte) int32
	Lock(name []byte, mode uint32) int32
	Ext(op uint32, rec []byte) int32

	BaseOpen(path []byte) int64
	BaseStack(bases []byte, flags uint32) int64
	MakeDir(base uint64, path []byte, mode uint32) int32
	Rename(base uint64, from, to []byte) int32
	Chmod(base uint64, path []byte, mode uint32) int32
	Lchown(base uint64, path []byte, uid, gid uint32) int32
	Lutimes(base uint64, path []byte, sec int64, nsec uint32) int32
	Mknod(base uint64, path []byte, mode, major, minor uint32) int32
	Link(base uint64, from, to []byte) int32
	XattrGet(base uint64, path, name, buf []byte) int32
	XattrSet(base uint64, path, name, value []byte) int32
	XattrList(base uint64, path, buf []byte) int32
	XattrRemove(base uint64, path, name []byte) int32

	ReaddirPlus(req, buf []byte) int32
	FilesEqual(req, out []byte) int32
	TreeCopy(srcBase uint64, src []byte, dstBase uint64, dst []byte) int32
	TreeRemove(base uint64, path []byte) int32
	TreeUsage(base uint64, path []byte) int64

	EntriesNext(buf []byte) int32
	EntryAttr(index uint64, n uint32, buf []byte) int32
	EntryRead(index uint64, buf []byte) int32
	Actions(rec []byte) int32
	StreamRead(buf []byte) int32

	DiffEmit(rec []byte) int32
	EntryWrite(buf []byte) int32
	StreamWrite(buf []byte) int32
	ChangesEmit(rec []byte) int32
}

// Mount tells which of the two trees a guest sees a file call is about.
type Mount uint8

const (
	// Home is the driver's own directory, the guest's "/".
	Home Mount = iota
	// Scratch is the guest's "/tmp"; it dies with the call.
	Scratch
)

// Files is the guest's file system for one call: what WASI's file calls
// become. Paths are relative to the mount, clean, "." for its root. Errors
// are errno values, as WASI wants them; 0 is success.
type Files interface {
	OpenFile(m Mount, path string, flag int, perm uint32) (File, syscall.Errno)
	// Stat follows a last symlink within the mount only if follow is set.
	Stat(m Mount, path string, follow bool) (FileStat, syscall.Errno)
	Mkdir(m Mount, path string, perm uint32) syscall.Errno
	RenameFile(m Mount, from, to string) syscall.Errno
	LinkFile(m Mount, from, to string) syscall.Errno
	Symlink(m Mount, target, path string) syscall.Errno
	Readlink(m Mount, path string) (string, syscall.Errno)
	Unlink(m Mount, path string) syscall.Errno
	Rmdir(m Mount, path string) syscall.Errno
	// Utimens sets both times, in nanoseconds since the epoch;
	// UtimeOmit leaves one as it is.
	Utimens(m Mount, path string, atim, mtim int64) syscall.Errno
}

// UtimeOmit leaves a time as it is.
const UtimeOmit = -1 << 63

// FileStat is what a guest learns of a file through WASI.
type FileStat struct {
	Dev, Ino         uint64
	Mode             fs.FileMode
	Nlink            uint64
	Size             int64
	Atim, Mtim, Ctim int64 // nanoseconds since the epoch
}

// DirEntry is one name of a directory.
type DirEntry struct {
	Name string
	Ino  uint64
	Type fs.FileMode
}

// File is an open file of a guest. After the call that opened it has
// returned every method answers EBADF.
type File interface {
	IsDir() (bool, syscall.Errno)
	Stat() (FileStat, syscall.Errno)
	Read(p []byte) (int, syscall.Errno)
	Pread(p []byte, off int64) (int, syscall.Errno)
	SeekTo(offset int64, whence int) (int64, syscall.Errno)
	// Readdir returns up to n names (all for n < 0), none at the end.
	Readdir(n int) ([]DirEntry, syscall.Errno)
	Write(p []byte) (int, syscall.Errno)
	Pwrite(p []byte, off int64) (int, syscall.Errno)
	Truncate(size int64) syscall.Errno
	Sync() syscall.Errno
	Utimens(atim, mtim int64) syscall.Errno
	SetAppend(on bool) syscall.Errno
	Close() syscall.Errno
}

// Session is one call as whatever runs the guest sees it.
type Session interface {
	Imports
	Files
}
