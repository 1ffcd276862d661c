package convert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/internal/durable"
	"github.com/bulkhead/bulkhead/layer"
)

// leaving is where a driver's images go first, beneath its notes: from then on
// there are none, and what is left is removed whatever happens.
const leaving = "leaving"

// Retired lists the drivers whose images have all gone to another, sorted.
func Retired(root, to string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, "bulkhead"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if !e.IsDir() || e.Name() == to {
			continue
		}
		target, err := Target(root, e.Name())
		if err != nil {
			return nil, err
		}
		if target == to {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// Superseded says why a driver's stores cannot go yet, or nil: an image that the
// other driver does not have, or a container.
func Superseded(old archive.Stores, now *image.Store) error {
	for _, id := range old.Images.IDs() {
		if _, err := now.Get(id); err != nil {
			return fmt.Errorf("image %s is not in the other driver's stores: %w", id.Short(), err)
		}
	}
	for _, rw := range old.Layers.RWLayers() {
		return fmt.Errorf("container %s: %w", rw.Name(), ErrContainer)
	}
	for _, err := range old.Layers.Broken() {
		var broken *layer.BrokenError
		if errors.As(err, &broken) && strings.HasPrefix(broken.Dir, "mounts/") {
			return fmt.Errorf("a container's layer is damaged: %w", err)
		}
	}
	return nil
}

// Places are where a driver keeps what Retire removes, as far as it is there.
func Places(root, driver string) []string {
	return slices.DeleteFunc([]string{
		filepath.Join(root, "image", driver), filepath.Join(root, driver), filepath.Join(root, "bulkhead", driver),
	}, func(p string) bool {
		_, err := os.Lstat(p)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// Size is how many bytes the files of a place have, each once. Links are not
// followed.
func Size(ctx context.Context, place string) (size int64, err error) {
	type file struct{ dev, ino uint64 }
	seen := map[file]bool{}
	err = filepath.WalkDir(place, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || e.IsDir() {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		if key := (file{uint64(st.Dev), st.Ino}); !seen[key] {
			seen[key] = true
			size += fi.Size()
		}
		return nil
	})
	return size, err
}

// Retire removes a driver's stores, which Superseded and nothing else speaks
// against; whoever calls it holds the lock for that. After a crash it is called
// again: the note that leads to it goes last.
func Retire(ctx context.Context, root, driver string) error {
	notes := filepath.Join(root, "bulkhead", driver)
	images, away := filepath.Join(root, "image", driver), filepath.Join(notes, leaving)
	err := os.Rename(images, away)
	if err == nil {
		err = errors.Join(durable.SyncDir(notes), durable.SyncDir(filepath.Dir(images)))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	// RemoveAll follows no link.
	for _, p := range []string{filepath.Join(root, driver), away} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := os.RemoveAll(p); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(notes)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == noteName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(notes, e.Name())); err != nil {
			return err
		}
	}
	if err := durable.SyncDir(notes); err != nil {
		return err
	}
	return os.RemoveAll(notes)
}
