package main

import (
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/blobs"
)

// sweepBlobs removes blobs and records that no image of the root needs any
// more, whichever driver has it, and downloads that were given up.
func (a *app) sweepBlobs(age time.Duration, dry bool) (freed int64, err error) {
	return blobs.Of(a.cfg.Root).Sweep(func(id digest.Digest) bool {
		found, err := filepath.Glob(filepath.Join(globbed(a.cfg.Root), "image", "*", "imagedb", "content", id.Algorithm().String(), id.Encoded()))
		return err != nil || len(found) > 0
	}, age, dry)
}

// globbed is a path in a pattern that stands for nothing else.
func globbed(path string) string {
	var out []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}
