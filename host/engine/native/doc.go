// Package native runs a guest.Driver that was compiled into this program, with
// the same sessions and the same rules as a module: the baseline that wasm is
// measured against, and what tests of the host use where no module is built.
// It offers no isolation. It imports abi, abi/guest, host/calls and
// host/engine.
package native
