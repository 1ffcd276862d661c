package abi

// Module is the one import module a driver may name besides WASI. Its suffix
// is the ABI's major version: a host that speaks another refuses the module.
const Module = "graphdriver_v1"

// Imports a host provides. All take and return core wasm values; the
// signature of each stands in README.md.
const (
	ImportCallArgs    = "call_args"
	ImportResult      = "result"
	ImportFail        = "fail"
	ImportLog         = "log"
	ImportLock        = "lock"
	ImportExt         = "ext"
	ImportBaseOpen    = "base_open"
	ImportBaseStack   = "base_stack"
	ImportMakeDir     = "make_dir"
	ImportRename      = "rename"
	ImportChmod       = "chmod"
	ImportLchown      = "lchown"
	ImportLutimes     = "lutimes"
	ImportMknod       = "mknod"
	ImportLink        = "link"
	ImportXattrGet    = "xattr_get"
	ImportXattrSet    = "xattr_set"
	ImportXattrList   = "xattr_list"
	ImportXattrRemove = "xattr_remove"
	ImportReaddirPlus = "readdir_plus"
	ImportFilesEqual  = "files_equal"
	ImportTreeCopy    = "tree_copy"
	ImportTreeRemove  = "tree_remove"
	ImportTreeUsage   = "tree_usage"
	ImportEntriesNext = "entries_next"
	ImportEntryAttr   = "entry_attr"
	ImportEntryRead   = "entry_read"
	ImportActions     = "actions"
	ImportStreamRead  = "stream_read"
	ImportDiffEmit    = "diff_emit"
	ImportEntryWrite  = "entry_write"
	ImportStreamWrite = "stream_write"
	ImportChangesEmit = "changes_emit"
)

// Exports of a driver: each is () -> i32.
const (
	ExportDescribe        = "driver_describe"
	ExportSetup           = "driver_setup"
	ExportConfigure       = "driver_configure"
	ExportCreate          = "driver_create"
	ExportCreateReadWrite = "driver_create_read_write"
	ExportRemove          = "driver_remove"
	ExportGet             = "driver_get"
	ExportPut             = "driver_put"
	ExportExists          = "driver_exists"
	ExportStatus          = "driver_status"
	ExportGetMetadata     = "driver_get_metadata"
	ExportCleanup         = "driver_cleanup"
	ExportDiff            = "driver_diff"
	ExportChanges         = "driver_changes"
	ExportApplyDiff       = "driver_apply_diff"
	ExportDiffSize        = "driver_diff_size"
	ExportDiffGetter      = "driver_diff_getter"
	ExportReadFile        = "driver_read_file"
	ExportRepair          = "driver_repair"
)

// Limits that both sides may rely on.
const (
	// MaxRecord is the largest record, in bytes, that either side sends.
	MaxRecord = 64 << 10
	// MaxUndecided is how much payload, in bytes, the host holds for entries
	// that were handed out and not yet decided.
	MaxUndecided = 1 << 20
	// MaxPath is the longest path in bytes.
	MaxPath = 4095
)
