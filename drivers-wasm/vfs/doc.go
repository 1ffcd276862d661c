// Package vfs is the graph driver that keeps every layer as a directory of its
// own, a full copy of its parent's, at dir/<id> as moby's vfs does. It works
// on any file system and without any privilege. It imports the guest SDK, abi
// and treediff; module/ compiles it to wasm.
package vfs
