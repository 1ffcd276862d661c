package guest

import "github.com/bulkhead/bulkhead/abi"

// Info is what a driver says of itself.
type Info struct {
	Name         string
	Version      string
	DiskFormat   uint32
	Capabilities uint64 // abi.Cap*
	Grants       []string
	// StorageOptions are the keys that Create and CreateReadWrite know. Any
	// other is refused before the driver is asked.
	StorageOptions []string
}

// Pair is one line of status or metadata, in the driver's own order.
type Pair struct{ Key, Value string }

// Spec says how a layer's tree is to be made of directories of the home.
type Spec = abi.Spec

// Dir is the spec of a tree in one directory of the home.
func Dir(path string) Spec { return abi.DirSpec(path) }

// Driver is a complete driver: the host derives the rest, by comparing trees
// and extracting archives itself. Each method serves one call, whose
// arguments and powers are in c; what each must do stands in abi/README.md.
type Driver interface {
	Info() Info
	Create(c *Call) error
	CreateReadWrite(c *Call) error
	Remove(c *Call) error
	Get(c *Call) (Spec, error)
	Put(c *Call) error
	Exists(c *Call) (bool, error)
	Status(c *Call) ([]Pair, error)
	GetMetadata(c *Call) ([]Pair, error)
	Cleanup(c *Call) error
}

// Setupper prepares a home before anything is written to it.
type Setupper interface{ Setup(c *Call) error }

// Configurer is told options, id maps and facts before an instance's first
// call. What it keeps must be derived from those alone.
type Configurer interface{ Configure(c *Call) error }

// Differ emits what turns Parent's tree into ID's.
type Differ interface{ Diff(c *Call) error }

// Changer emits the paths that differ.
type Changer interface{ Changes(c *Call) error }

// Applier takes an archive's entries, or its bytes.
type Applier interface{ ApplyDiff(c *Call) error }

// Sizer returns the bytes of the changes against Parent.
type Sizer interface{ DiffSize(c *Call) (int64, error) }

// Getter names the directory beneath which a layer's files lie.
type Getter interface{ DiffGetter(c *Call) (string, error) }

// FileReader writes the content of the file that an archive called Name.
type FileReader interface{ ReadFile(c *Call) error }

// Repairer makes right what it notes about ID, which lies on Parent, and makes
// the layer, empty, if it is not there.
type Repairer interface{ Repair(c *Call) error }

// methods is the set of methods that d has, a bit each.
func methods(d Driver) uint64 {
	set := uint64(1) << abi.MethodDescribe
	for _, m := range abi.ProtoMethods() {
		set |= 1 << m
	}
	add := func(ok bool, m abi.Method) {
		if ok {
			set |= 1 << m
		}
	}
	_, ok := d.(Setupper)
	add(ok, abi.MethodSetup)
	_, ok = d.(Configurer)
	add(ok, abi.MethodConfigure)
	_, ok = d.(Differ)
	add(ok, abi.MethodDiff)
	_, ok = d.(Changer)
	add(ok, abi.MethodChanges)
	_, ok = d.(Applier)
	add(ok, abi.MethodApplyDiff)
	_, ok = d.(Sizer)
	add(ok, abi.MethodDiffSize)
	_, ok = d.(Getter)
	add(ok, abi.MethodDiffGetter)
	_, ok = d.(FileReader)
	add(ok, abi.MethodReadFile)
	_, ok = d.(Repairer)
	add(ok, abi.MethodRepair)
	return set
}
