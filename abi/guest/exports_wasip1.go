package guest

import "github.com/bulkhead/bulkhead/abi"

// instance is the registered driver's. A module's exports take no arguments,
// so what they serve has to be found in a variable; a module is one instance
// of one driver, so it is written once, by an init function.
var instance *Instance

// Register makes d the driver of this module. Call it from an init function:
// a module's main never runs.
func Register(d Driver) { instance = NewInstance(d) }

func run(m abi.Method) int32 {
	if instance == nil {
		panic("no driver is registered: call guest.Register in an init function")
	}
	return instance.Run(module{}, m)
}

//go:wasmexport driver_describe
func describe() int32 { return run(abi.MethodDescribe) }

//go:wasmexport driver_setup
func setup() int32 { return run(abi.MethodSetup) }

//go:wasmexport driver_configure
func configure() int32 { return run(abi.MethodConfigure) }

//go:wasmexport driver_create
func create() int32 { return run(abi.MethodCreate) }

//go:wasmexport driver_create_read_write
func createReadWrite() int32 { return run(abi.MethodCreateReadWrite) }

//go:wasmexport driver_remove
func remove() int32 { return run(abi.MethodRemove) }

//go:wasmexport driver_get
func get() int32 { return run(abi.MethodGet) }

//go:wasmexport driver_put
func put() int32 { return run(abi.MethodPut) }

//go:wasmexport driver_exists
func exists() int32 { return run(abi.MethodExists) }

//go:wasmexport driver_status
func status() int32 { return run(abi.MethodStatus) }

//go:wasmexport driver_get_metadata
func getMetadata() int32 { return run(abi.MethodGetMetadata) }

//go:wasmexport driver_cleanup
func cleanup() int32 { return run(abi.MethodCleanup) }

//go:wasmexport driver_diff
func diff() int32 { return run(abi.MethodDiff) }

//go:wasmexport driver_changes
func changes() int32 { return run(abi.MethodChanges) }

//go:wasmexport driver_apply_diff
func applyDiff() int32 { return run(abi.MethodApplyDiff) }

//go:wasmexport driver_diff_size
func diffSize() int32 { return run(abi.MethodDiffSize) }

//go:wasmexport driver_diff_getter
func diffGetter() int32 { return run(abi.MethodDiffGetter) }

//go:wasmexport driver_read_file
func readFile() int32 { return run(abi.MethodReadFile) }

//go:wasmexport driver_repair
func repair() int32 { return run(abi.MethodRepair) }
