// Package fault interrupts bin/bulkhead at every system call by which it
// changes its root, and looks at what is left. The calls are seen from
// outside, by seccomp's notifications: the program has no hooks for it and
// cannot tell. At a chosen call the process is killed, or the power is cut
// (the file system, a real one on a loop device, forgets what was not
// synced), or the call fails with an error.
//
// Its tests carry the build tag fault, need root, and are run by `make fault`.
// It imports nothing of this module.
package fault
