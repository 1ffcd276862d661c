// Package guest is the Go SDK for drivers: a driver implements Driver and
// whichever small interfaces it can, registers itself, and is compiled with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
//
// The same driver runs natively under test: NewInstance takes any Host, the
// one that stands behind wasm or a fake. Files with the suffix _wasip1 hold
// what only exists in a module. The package imports the standard library and
// abi, and nothing of the host.
//
// A driver that panics ends its instance and fails the call. An error that it
// returns reaches the host as the abi.Code it wraps, IO if it wraps none.
package guest
