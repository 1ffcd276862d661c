package abi

// Record kinds. Offsets in comments count from the record's first byte, so
// the header is 0 to 7. Strings are bytes without terminator.
const (
	// Fields of the arguments record and of a result (see Field).
	RecField uint16 = 0x0001

	// Host to guest.
	RecEntry    uint16 = 0x0101 // entries_next
	RecAttr     uint16 = 0x0102 // entry_attr, xattr_list
	RecDirBegin uint16 = 0x0103 // readdir_plus
	RecName     uint16 = 0x0104 // readdir_plus
	RecDirEnd   uint16 = 0x0105 // readdir_plus

	// Guest to host.
	RecAction uint16 = 0x0201 // actions
	RecList   uint16 = 0x0202 // readdir_plus requests
	RecPair   uint16 = 0x0203 // files_equal
	RecEmit   uint16 = 0x0204 // diff_emit
	RecChange uint16 = 0x0205 // changes_emit
	// RecListPair asks readdir_plus for a directory of two trees.
	RecListPair uint16 = 0x0206
)

// Field tags: what the flags of a RecField mean. A record of arguments or a
// result is a sequence of fields; fields not known are skipped by guests and
// Invalid from guests.
const (
	FieldID         uint16 = 1 // bytes
	FieldParent     uint16 = 2 // bytes
	FieldMountLabel uint16 = 3 // bytes
	FieldOption     uint16 = 4 // key NUL value
	FieldName       uint16 = 5 // bytes: read_file's name
	// FieldCreated, in arguments of diff, changes and diff_size where parent
	// is the layer that id was created from: when that creation ended, as
	// i64 seconds, u32 nanoseconds, u32 zero. A file of either tree whose
	// ctime is earlier has not changed since. Absent: nothing is known.
	FieldCreated uint16 = 6
	FieldIDMap   uint16 = 7 // u32 0=uid 1=gid, u32 container, u32 host, u32 count
	FieldFact    uint16 = 8 // key NUL value: what the host probed
	FieldFeature uint16 = 9 // u64: feature bits of the host
	// FieldReadOnly, u32 1, in arguments of get: nothing may be written to
	// the layer, so its spec must not be writable.
	FieldReadOnly uint16 = 10

	FieldSize   uint16 = 32 // i64
	FieldExists uint16 = 33 // u32 0 or 1
	FieldSpec   uint16 = 34 // see Spec
	FieldPair   uint16 = 35 // key NUL value: status and metadata, in order
	FieldBase   uint16 = 36 // bytes: path of a base relative to the home

	FieldDriverName    uint16 = 64 // bytes
	FieldDriverVersion uint16 = 65 // bytes
	FieldDiskFormat    uint16 = 66 // u32
	FieldCapabilities  uint16 = 67 // u64
	FieldFeatures      uint16 = 68 // u64: feature bits the guest uses
	FieldMethods       uint16 = 69 // u64: bit per Method
	FieldGrant         uint16 = 70 // bytes: a grant asked for
)

// Capability bits.
const (
	CapReproducesExactDiffs    uint64 = 1 << 0
	CapDiffIndependentOfParent uint64 = 1 << 1
	CapDeltas                  uint64 = 1 << 2
)

// Feature bits: none is needed for what README.md calls the base.
const (
	// FeatureAttrDigest: RecName carries a digest of extended attributes.
	FeatureAttrDigest uint64 = 1 << 0
)

// Method numbers: bits of FieldMethods, and the order of exports in README.md.
type Method uint8

const (
	MethodDescribe Method = iota
	MethodSetup
	MethodConfigure
	MethodCreate
	MethodCreateReadWrite
	MethodRemove
	MethodGet
	MethodPut
	MethodExists
	MethodStatus
	MethodGetMetadata
	MethodCleanup
	MethodDiff
	MethodChanges
	MethodApplyDiff
	MethodDiffSize
	MethodDiffGetter
	MethodReadFile
	MethodRepair
	MethodCount
)

var exports = [MethodCount]string{
	ExportDescribe, ExportSetup, ExportConfigure, ExportCreate, ExportCreateReadWrite,
	ExportRemove, ExportGet, ExportPut, ExportExists, ExportStatus, ExportGetMetadata,
	ExportCleanup, ExportDiff, ExportChanges, ExportApplyDiff, ExportDiffSize,
	ExportDiffGetter, ExportReadFile, ExportRepair,
}

// Export is the name of the method's export.
func (m Method) Export() string { return exports[m] }

// String is the method's name without the prefix all share.
func (m Method) String() string { return exports[m][len("driver_"):] }

// Mutates reports whether the method may change the driver's home.
func (m Method) Mutates() bool {
	switch m {
	case MethodSetup, MethodCreate, MethodCreateReadWrite, MethodRemove, MethodCleanup, MethodApplyDiff, MethodGet, MethodPut, MethodRepair:
		return true
	}
	return false
}

// ProtoMethods are what a module must export to be a driver at all, beside
// describe.
var protoMethods = [...]Method{
	MethodCreate, MethodCreateReadWrite, MethodRemove, MethodGet, MethodPut,
	MethodExists, MethodStatus, MethodGetMetadata, MethodCleanup,
}

// ProtoMethods lists the methods of a ProtoDriver.
func ProtoMethods() []Method { return append([]Method(nil), protoMethods[:]...) }

// Entry kinds.
const (
	EntryFile     uint16 = 1
	EntryDir      uint16 = 2
	EntrySymlink  uint16 = 3
	EntryHardlink uint16 = 4
	EntryChar     uint16 = 5
	EntryBlock    uint16 = 6
	EntryFifo     uint16 = 7
	EntryWhiteout uint16 = 8 // path is what is to be removed
	EntryOpaque   uint16 = 9 // path is the directory
)

// Entry flags.
const (
	// EntryLarge: the payload is larger than MaxUndecided; the entry is the
	// last of its batch.
	EntryLarge uint16 = 1 << 0
)

// Actions: what is to become of entries.
const (
	// ActApply carries the entry out beneath the base: files, directories,
	// links and nodes are made, a whiteout removes its target, an opaque
	// marker removes what the directory holds and this archive did not bring.
	ActApply uint16 = 1
	// ActSkip leaves the entry out of the tree.
	ActSkip uint16 = 2
)

// Emit kinds.
const (
	EmitFile     uint16 = 1 // whatever lies at base+path, as name
	EmitWhiteout uint16 = 2 // name is deleted
	EmitTree     uint16 = 3 // all that lies beneath base+path, a directory, as name
)

// Emit flags.
const (
	// EmitOwnContent: the content follows by entry_write; base and path give
	// metadata and size.
	EmitOwnContent uint16 = 1 << 0
	// EmitLayer, of an EmitTree: only what the top of a stack holds, with
	// whiteouts and opaque directories as the entries that they stand for.
	EmitLayer uint16 = 1 << 1
)

// Change kinds, as graphdriver.ChangeKind.
const (
	ChangeModified uint16 = 0
	ChangeAdded    uint16 = 1
	ChangeDeleted  uint16 = 2
)

// Spec kinds. The list is open.
const (
	// SpecDir: the tree lies in one directory of the home.
	SpecDir uint16 = 1
	// SpecOverlay: the tree is what an overlay mount of directories shows.
	SpecOverlay uint16 = 2
)

// Spec flags.
const (
	// SpecWritable: the first two paths are the upper and the work directory.
	SpecWritable uint16 = 1 << 0
	// SpecUserAttrs: the overlay keeps its marks in user.overlay.*.
	SpecUserAttrs uint16 = 1 << 1
)

// Flags of base_stack.
const (
	// StackUserAttrs: the marks of overlay lie in user.overlay.* in place of
	// trusted.overlay.*.
	StackUserAttrs uint32 = 1 << 0
)

// Lock modes.
const (
	LockShared    uint32 = 0
	LockExclusive uint32 = 1
)

// Log levels.
const (
	LogDebug uint32 = 0
	LogInfo  uint32 = 1
	LogWarn  uint32 = 2
	LogError uint32 = 3
)

// Home is the base handle of the driver's home itself.
const Home uint64 = 0

// List flags, in the flags of a RecList or RecListPair.
const (
	// ListAttrs asks for the digest of extended attributes in each RecName.
	ListAttrs uint16 = 1 << 0
	// ListQuiet leaves out an answer of a RecListPair that has no names and
	// no error, its marks included, and the end of any other.
	ListQuiet uint16 = 1 << 1
	// ListDeep leaves out of the answers to a RecListPair directories too, if
	// both trees agree on them and on all beneath them.
	ListDeep uint16 = 1 << 2
	// ListDirTimes counts the mtime of directories among what both trees have
	// to agree on.
	ListDirTimes uint16 = 1 << 3
)
