package main

import "unsafe"

// The imports of graphdriver_v1 with pointers as numbers, so that any can be
// passed.

//go:wasmimport graphdriver_v1 call_args
func callArgs(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 result
func result(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 fail
func fail(code int32, sp, sn, tp, tn uint32) int32

//go:wasmimport graphdriver_v1 log
func logLine(level, ptr, n uint32) int32

//go:wasmimport graphdriver_v1 lock
func lock(ptr, n, mode uint32) int32

//go:wasmimport graphdriver_v1 base_open
func baseOpen(ptr, n uint32) int64

//go:wasmimport graphdriver_v1 base_stack
func baseStack(ptr, n, flags uint32) int64

//go:wasmimport graphdriver_v1 make_dir
func makeDir(base uint64, ptr, n, mode uint32) int32

//go:wasmimport graphdriver_v1 rename
func rename(base uint64, fp, fn, tp, tn uint32) int32

//go:wasmimport graphdriver_v1 chmod
func chmod(base uint64, ptr, n, mode uint32) int32

//go:wasmimport graphdriver_v1 lchown
func lchown(base uint64, ptr, n, uid, gid uint32) int32

//go:wasmimport graphdriver_v1 lutimes
func lutimes(base uint64, ptr, n uint32, sec int64, nsec uint32) int32

//go:wasmimport graphdriver_v1 mknod
func mknod(base uint64, ptr, n, mode, major, minor uint32) int32

//go:wasmimport graphdriver_v1 link
func link(base uint64, fp, fn, tp, tn uint32) int32

//go:wasmimport graphdriver_v1 xattr_get
func xattrGet(base uint64, ptr, n, np, nn, bp, bn uint32) int32

//go:wasmimport graphdriver_v1 xattr_set
func xattrSet(base uint64, ptr, n, np, nn, vp, vn uint32) int32

//go:wasmimport graphdriver_v1 xattr_remove
func xattrRemove(base uint64, ptr, n, np, nn uint32) int32

//go:wasmimport graphdriver_v1 readdir_plus
func readdirPlus(rp, rn, bp, bn uint32) int32

//go:wasmimport graphdriver_v1 files_equal
func filesEqual(rp, rn, op, on uint32) int32

//go:wasmimport graphdriver_v1 tree_copy
func treeCopy(sb uint64, sp, sn uint32, db uint64, dp, dn uint32) int32

//go:wasmimport graphdriver_v1 tree_remove
func treeRemove(base uint64, ptr, n uint32) int32

//go:wasmimport graphdriver_v1 tree_usage
func treeUsage(base uint64, ptr, n uint32) int64

//go:wasmimport graphdriver_v1 entries_next
func entriesNext(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 entry_read
func entryRead(index uint64, ptr, n uint32) int32

//go:wasmimport graphdriver_v1 actions
func actions(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 stream_read
func streamRead(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 diff_emit
func diffEmit(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 entry_write
func entryWrite(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 stream_write
func streamWrite(ptr, n uint32) int32

//go:wasmimport graphdriver_v1 changes_emit
func changesEmit(ptr, n uint32) int32

//go:wasmimport wasi_snapshot_preview1 path_open
func pathOpen(fd int32, dirflags uint32, ptr, n uint32, oflags uint32, rights, inheriting uint64, fdflags uint32, out unsafe.Pointer) uint32

//go:wasmimport wasi_snapshot_preview1 fd_pwrite
func fdPwrite(fd int32, vectors unsafe.Pointer, n uint32, off uint64, done unsafe.Pointer) uint32

// held keeps what crosses from being collected while only a number is left.
var held [8]any
var turn int

func at(b []byte) (ptr, n uint32) {
	held[turn%len(held)] = b
	turn++
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b))
}

func str(s string) (ptr, n uint32) { return at([]byte(s)) }
