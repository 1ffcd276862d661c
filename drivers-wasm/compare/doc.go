// Package compare answers Diff, Changes and DiffSize of a driver whose layers
// can be seen as two trees, a layer's and an ancestor's: bases or stacks of
// them. The host lists, joins and reads; this decides what the differences
// mean. It imports the guest SDK, abi and treediff, and is part of the modules
// that use it.
package compare
