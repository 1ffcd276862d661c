// Package confine works beneath one directory and never above it: every
// function takes a directory descriptor and a path that is not trusted.
//
// Three resolutions exist. Guest paths resolve Beneath: a symlink that leaves
// the home is refused. Archive names resolve InRoot: a symlink is followed as
// if the layer's base were the root of the machine, both when an entry is
// written and when its content is read again. Walks and everything that
// writes on behalf of a guest resolve NoLinks. None of them follows /proc's
// magic links or crosses into another mount, and no file is opened for
// content before an O_PATH descriptor showed that it is a regular file.
//
// Where a process may not make owners, modes, devices and attributes, it
// records them: on the inode, or for symlinks in a file of their directory. A
// Dir that believes records (Believe) shows them in place of what is, and
// hides that file from every path and listing.
//
// What is not protected: a process outside that may write to the home while
// a call runs can change content, though it cannot lead a call outside.
//
// It imports layertar and golang.org/x/sys, and nothing else of this module.
package confine
