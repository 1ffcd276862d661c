// Package input opens image archives that nobody has to trust: a tar file
// where it lies, one from a pipe, one that is compressed, or a directory.
//
// It gives access to regular files by name and to nothing else: no device,
// pipe or socket is ever opened, no link leads out, and names, their number
// and what is spooled are bounded before they are believed. What the files
// say is image/archive's business. It may import nothing of this module.
package input
