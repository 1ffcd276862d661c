package guest

// Host is what a driver may ask for, as abi/README.md describes it: in a
// module it is the imports, natively whatever the caller provides. Each int32
// is a length, 0, or a negative abi.Code. Drivers use Call instead.
type Host interface {
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

// SmallFiles is what a native Host adds for Call.ReadFile, WriteFile, Symlink
// and Readlink, which use WASI in a module.
type SmallFiles interface {
	ReadSmall(path string) ([]byte, error)
	WriteSmall(path string, data []byte) error
	SymlinkSmall(target, path string) error
	ReadlinkSmall(path string) (string, error)
}
