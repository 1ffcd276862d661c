package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/image/containerd"
)

// Docker 29 keeps images in a containerd's store instead of a graph driver's,
// unless a driver's directory lies beneath its root when it starts, or it is
// told to. (moby daemon/image_store_choice.go, daemon/graphdriver/driver.go
// HasPriorDriver.)
const (
	// dockersContainerd is the root of the containerd that dockerd starts.
	dockersContainerd = "containerd/daemon"
	// dockersRootfs has a directory for the snapshotter of containers that
	// are of a containerd's images, be it dockerd's or the system's.
	// (moby daemon/snapshotter/mount.go.)
	dockersRootfs = "rootfs"
	// systemContainerd is where the containerd of a system keeps its own.
	systemContainerd = "/var/lib/containerd"
)

// elsewhere is where a Docker keeps images that no graph driver has.
type elsewhere struct {
	images int    // how many names there are, 0 where that is not known
	root   string // of the containerd
}

func (e elsewhere) String() string {
	if e.images > 0 {
		return fmt.Sprintf("%d in the containerd's store %s", e.images, e.root)
	}
	return fmt.Sprintf("in a containerd's store (%s, if it is the system's)", e.root)
}

// inContainerd tells whether the Docker of the root keeps its images in a
// containerd's store. One that cannot be read is none: this is for a hint.
func (a *app) inContainerd(ctx context.Context) (elsewhere, bool) {
	root := filepath.Join(a.cfg.Root, dockersContainerd)
	if s, err := containerd.Open(ctx, root, "moby"); err == nil {
		defer s.Close()
		return elsewhere{len(s.Images), root}, true
	}
	entries, err := os.ReadDir(filepath.Join(a.cfg.Root, dockersRootfs))
	if err != nil {
		return elsewhere{}, false
	}
	for _, e := range entries {
		if e.IsDir() {
			return elsewhere{0, systemContainerd}, true
		}
	}
	return elsewhere{}, false
}

// hintContainerd says where the images are to one who finds none here.
func (a *app) hintContainerd(ctx context.Context, driver string) {
	if there, is := a.inContainerd(ctx); is {
		fmt.Fprintf(a.err, "bulkhead: driver %s has no images here; Docker's are %s: see them with docker, or take them over with \"bulkhead convert --to %s --from-containerd %s\"\n",
			driver, there, driver, there.root)
	}
}

// keepContainerd refuses to make a driver's first directory where Docker would
// then no longer look at the images that it has.
func (a *app) keepContainerd(ctx context.Context) error {
	there, is := a.inContainerd(ctx)
	if !is {
		return nil
	}
	return fmt.Errorf("%s is of a Docker that has its images elsewhere, %s, and would no longer find them once a graph driver has a directory here: choose another --root, or name the driver with --driver if that is meant",
		a.cfg.Root, there)
}
