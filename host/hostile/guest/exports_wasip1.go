package main

import "github.com/bulkhead/bulkhead/abi"

//go:wasmexport driver_describe
func exportDescribe() int32 { return run(abi.MethodDescribe) }

//go:wasmexport driver_setup
func exportSetup() int32 { return run(abi.MethodSetup) }

//go:wasmexport driver_configure
func exportConfigure() int32 { return run(abi.MethodConfigure) }

//go:wasmexport driver_create
func exportCreate() int32 { return run(abi.MethodCreate) }

//go:wasmexport driver_create_read_write
func exportCreateReadWrite() int32 { return run(abi.MethodCreateReadWrite) }

//go:wasmexport driver_remove
func exportRemove() int32 { return run(abi.MethodRemove) }

//go:wasmexport driver_get
func exportGet() int32 { return run(abi.MethodGet) }

//go:wasmexport driver_put
func exportPut() int32 { return run(abi.MethodPut) }

//go:wasmexport driver_exists
func exportExists() int32 { return run(abi.MethodExists) }

//go:wasmexport driver_status
func exportStatus() int32 { return run(abi.MethodStatus) }

//go:wasmexport driver_get_metadata
func exportGetMetadata() int32 { return run(abi.MethodGetMetadata) }

//go:wasmexport driver_cleanup
func exportCleanup() int32 { return run(abi.MethodCleanup) }

//go:wasmexport driver_diff
func exportDiff() int32 { return run(abi.MethodDiff) }

//go:wasmexport driver_changes
func exportChanges() int32 { return run(abi.MethodChanges) }

//go:wasmexport driver_apply_diff
func exportApplyDiff() int32 { return run(abi.MethodApplyDiff) }

//go:wasmexport driver_diff_size
func exportDiffSize() int32 { return run(abi.MethodDiffSize) }

//go:wasmexport driver_diff_getter
func exportDiffGetter() int32 { return run(abi.MethodDiffGetter) }

//go:wasmexport driver_read_file
func exportReadFile() int32 { return run(abi.MethodReadFile) }

//go:wasmexport driver_repair
func exportRepair() int32 { return run(abi.MethodRepair) }
