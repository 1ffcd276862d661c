// Command module is the vfs driver as a WebAssembly module:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared ./drivers-wasm/vfs/module
package main
