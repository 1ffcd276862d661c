// Package bolt reads bolt databases that other programs keep, such as
// BuildKit's, without a lock, without mapping them and without believing them:
// whatever a file holds, reading it ends, in little memory, with what it says
// or with an error. It imports the standard library alone and writes nothing.
//
// (go.etcd.io/bbolt: internal/common/{page,meta,bucket,inode}.go.)
package bolt
