// Package lockdown takes away from a process what it will not need: files
// (Landlock), privileges, system calls (seccomp), resources. It imports
// nothing of this module.
//
// What a thread passes on through exec is taken before the child begins
// (Thread), so that not even its runtime's first instruction has it; the rest
// it drops itself, in two steps: before it sees a byte of a module (Compile),
// and before a module's first instruction runs (Run).
package lockdown
