package guest

import "unsafe"

// module is Host by the imports of graphdriver_v1.
type module struct{}

func at(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
func size(b []byte) uint32       { return uint32(len(b)) }

//go:wasmimport graphdriver_v1 call_args
//go:noescape
func importCallArgs(buf unsafe.Pointer, bufLen uint32) int32

func (module) CallArgs(buf []byte) int32 {
	return importCallArgs(at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 result
//go:noescape
func importResult(rec unsafe.Pointer, recLen uint32) int32

func (module) Result(rec []byte) int32 {
	return importResult(at(rec), size(rec))
}

//go:wasmimport graphdriver_v1 fail
//go:noescape
func importFail(code int32, subject unsafe.Pointer, subjectLen uint32, text unsafe.Pointer, textLen uint32) int32

func (module) Fail(code int32, subject, text []byte) int32 {
	return importFail(code, at(subject), size(subject), at(text), size(text))
}

//go:wasmimport graphdriver_v1 log
//go:noescape
func importLog(level uint32, text unsafe.Pointer, textLen uint32) int32

func (module) Log(level uint32, text []byte) int32 {
	return importLog(level, at(text), size(text))
}

//go:wasmimport graphdriver_v1 lock
//go:noescape
func importLock(name unsafe.Pointer, nameLen uint32, mode uint32) int32

func (module) Lock(name []byte, mode uint32) int32 {
	return importLock(at(name), size(name), mode)
}

//go:wasmimport graphdriver_v1 ext
//go:noescape
func importExt(op uint32, rec unsafe.Pointer, recLen uint32) int32

func (module) Ext(op uint32, rec []byte) int32 {
	return importExt(op, at(rec), size(rec))
}

//go:wasmimport graphdriver_v1 base_open
//go:noescape
func importBaseOpen(path unsafe.Pointer, pathLen uint32) int64

func (module) BaseOpen(path []byte) int64 {
	return importBaseOpen(at(path), size(path))
}

//go:wasmimport graphdriver_v1 base_stack
//go:noescape
func importBaseStack(bases unsafe.Pointer, basesLen uint32, flags uint32) int64

func (module) BaseStack(bases []byte, flags uint32) int64 {
	return importBaseStack(at(bases), size(bases), flags)
}

//go:wasmimport graphdriver_v1 make_dir
//go:noescape
func importMakeDir(base uint64, path unsafe.Pointer, pathLen uint32, mode uint32) int32

func (module) MakeDir(base uint64, path []byte, mode uint32) int32 {
	return importMakeDir(base, at(path), size(path), mode)
}

//go:wasmimport graphdriver_v1 rename
//go:noescape
func importRename(base uint64, from unsafe.Pointer, fromLen uint32, to unsafe.Pointer, toLen uint32) int32

func (module) Rename(base uint64, from, to []byte) int32 {
	return importRename(base, at(from), size(from), at(to), size(to))
}

//go:wasmimport graphdriver_v1 chmod
//go:noescape
func importChmod(base uint64, path unsafe.Pointer, pathLen uint32, mode uint32) int32

func (module) Chmod(base uint64, path []byte, mode uint32) int32 {
	return importChmod(base, at(path), size(path), mode)
}

//go:wasmimport graphdriver_v1 lchown
//go:noescape
func importLchown(base uint64, path unsafe.Pointer, pathLen uint32, uid uint32, gid uint32) int32

func (module) Lchown(base uint64, path []byte, uid, gid uint32) int32 {
	return importLchown(base, at(path), size(path), uid, gid)
}

//go:wasmimport graphdriver_v1 lutimes
//go:noescape
func importLutimes(base uint64, path unsafe.Pointer, pathLen uint32, sec int64, nsec uint32) int32

func (module) Lutimes(base uint64, path []byte, sec int64, nsec uint32) int32 {
	return importLutimes(base, at(path), size(path), sec, nsec)
}

//go:wasmimport graphdriver_v1 mknod
//go:noescape
func importMknod(base uint64, path unsafe.Pointer, pathLen uint32, mode uint32, major uint32, minor uint32) int32

func (module) Mknod(base uint64, path []byte, mode, major, minor uint32) int32 {
	return importMknod(base, at(path), size(path), mode, major, minor)
}

//go:wasmimport graphdriver_v1 link
//go:noescape
func importLink(base uint64, from unsafe.Pointer, fromLen uint32, to unsafe.Pointer, toLen uint32) int32

func (module) Link(base uint64, from, to []byte) int32 {
	return importLink(base, at(from), size(from), at(to), size(to))
}

//go:wasmimport graphdriver_v1 xattr_get
//go:noescape
func importXattrGet(base uint64, path unsafe.Pointer, pathLen uint32, name unsafe.Pointer, nameLen uint32, buf unsafe.Pointer, bufLen uint32) int32

func (module) XattrGet(base uint64, path, name, buf []byte) int32 {
	return importXattrGet(base, at(path), size(path), at(name), size(name), at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 xattr_set
//go:noescape
func importXattrSet(base uint64, path unsafe.Pointer, pathLen uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32) int32

func (module) XattrSet(base uint64, path, name, value []byte) int32 {
	return importXattrSet(base, at(path), size(path), at(name), size(name), at(value), size(value))
}

//go:wasmimport graphdriver_v1 xattr_list
//go:noescape
func importXattrList(base uint64, path unsafe.Pointer, pathLen uint32, buf unsafe.Pointer, bufLen uint32) int32

func (module) XattrList(base uint64, path, buf []byte) int32 {
	return importXattrList(base, at(path), size(path), at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 xattr_remove
//go:noescape
func importXattrRemove(base uint64, path unsafe.Pointer, pathLen uint32, name unsafe.Pointer, nameLen uint32) int32

func (module) XattrRemove(base uint64, path, name []byte) int32 {
	return importXattrRemove(base, at(path), size(path), at(name), size(name))
}

//go:wasmimport graphdriver_v1 readdir_plus
//go:noescape
func importReaddirPlus(req unsafe.Pointer, reqLen uint32, buf unsafe.Pointer, bufLen uint32) int32

func (module) ReaddirPlus(req, buf []byte) int32 {
	return importReaddirPlus(at(req), size(req), at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 files_equal
//go:noescape
func importFilesEqual(req unsafe.Pointer, reqLen uint32, out unsafe.Pointer, outLen uint32) int32

func (module) FilesEqual(req, out []byte) int32 {
	return importFilesEqual(at(req), size(req), at(out), size(out))
}

//go:wasmimport graphdriver_v1 tree_copy
//go:noescape
func importTreeCopy(srcBase uint64, src unsafe.Pointer, srcLen uint32, dstBase uint64, dst unsafe.Pointer, dstLen uint32) int32

func (module) TreeCopy(srcBase uint64, src []byte, dstBase uint64, dst []byte) int32 {
	return importTreeCopy(srcBase, at(src), size(src), dstBase, at(dst), size(dst))
}

//go:wasmimport graphdriver_v1 tree_remove
//go:noescape
func importTreeRemove(base uint64, path unsafe.Pointer, pathLen uint32) int32

func (module) TreeRemove(base uint64, path []byte) int32 {
	return importTreeRemove(base, at(path), size(path))
}

//go:wasmimport graphdriver_v1 tree_usage
//go:noescape
func importTreeUsage(base uint64, path unsafe.Pointer, pathLen uint32) int64

func (module) TreeUsage(base uint64, path []byte) int64 {
	return importTreeUsage(base, at(path), size(path))
}

//go:wasmimport graphdriver_v1 entries_next
//go:noescape
func importEntriesNext(buf unsafe.Pointer, bufLen uint32) int32

func (module) EntriesNext(buf []byte) int32 {
	return importEntriesNext(at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 entry_attr
//go:noescape
func importEntryAttr(index uint64, n uint32, buf unsafe.Pointer, bufLen uint32) int32

func (module) EntryAttr(index uint64, n uint32, buf []byte) int32 {
	return importEntryAttr(index, n, at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 entry_read
//go:noescape
func importEntryRead(index uint64, buf unsafe.Pointer, bufLen uint32) int32

func (module) EntryRead(index uint64, buf []byte) int32 {
	return importEntryRead(index, at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 actions
//go:noescape
func importActions(rec unsafe.Pointer, recLen uint32) int32

func (module) Actions(rec []byte) int32 {
	return importActions(at(rec), size(rec))
}

//go:wasmimport graphdriver_v1 stream_read
//go:noescape
func importStreamRead(buf unsafe.Pointer, bufLen uint32) int32

func (module) StreamRead(buf []byte) int32 {
	return importStreamRead(at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 diff_emit
//go:noescape
func importDiffEmit(rec unsafe.Pointer, recLen uint32) int32

func (module) DiffEmit(rec []byte) int32 {
	return importDiffEmit(at(rec), size(rec))
}

//go:wasmimport graphdriver_v1 entry_write
//go:noescape
func importEntryWrite(buf unsafe.Pointer, bufLen uint32) int32

func (module) EntryWrite(buf []byte) int32 {
	return importEntryWrite(at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 stream_write
//go:noescape
func importStreamWrite(buf unsafe.Pointer, bufLen uint32) int32

func (module) StreamWrite(buf []byte) int32 {
	return importStreamWrite(at(buf), size(buf))
}

//go:wasmimport graphdriver_v1 changes_emit
//go:noescape
func importChangesEmit(rec unsafe.Pointer, recLen uint32) int32

func (module) ChangesEmit(rec []byte) int32 {
	return importChangesEmit(at(rec), size(rec))
}
