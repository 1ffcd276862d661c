// Package calls is what a guest may ask for: every import of the ABI and
// every file call of WASI, as functions over values, never over wasm memory,
// so that one piece of code answers a guest in this process, in a child, and
// a driver built natively. It imports abi, graphdriver (types), layertar and
// host/confine, and never host or host/engine.
package calls
