// Command module is the overlay2 driver as a WebAssembly module:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared ./drivers-wasm/overlay2/module
package main
