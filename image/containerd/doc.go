// Package containerd reads the images of containerd's own store, which Docker
// uses too since its version 29: the metadata (a bolt database) and the content
// beneath it. It writes nothing and takes no lock; what it finds is trusted as
// little as any archive.
//
// Each image is an archive (input.Archive) to the rest of the program: an OCI
// layout whose index has one manifest and whose blobs are containerd's content.
// Snapshots are not read: a layer whose content containerd has discarded is
// missing.
//
// It may import image/input, image/internal/jsonsize and layer/bolt.
//
// (containerd: metadata/buckets.go, content/local.)
package containerd
