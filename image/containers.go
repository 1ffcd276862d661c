package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// maxContainerConfig bounds what is read of one container's file, in bytes.
const maxContainerConfig = 8 << 20

// container is one that was made of an image: by a Docker beneath the same
// root, or as a layer by hand (SetContainerImage).
type container struct {
	id      string
	running bool // as Docker's file has it, which a dockerd that was killed leaves so
}

// short is the ID as Docker shortens it, and a name that somebody chose whole.
func (c container) short() string {
	if len(c.id) == 64 {
		return c.id[:12]
	}
	return c.id
}

// containerFile is what is read of a container's file, Docker's or ours.
type containerFile struct {
	Image string
	State struct{ Running bool }
	// MountPoints are by path. Of an image that is mounted there, since Docker
	// 28, the source is the image.
	// (moby v28.0.0 volume/mounts/mounts.go, daemon/images/image_delete.go.)
	MountPoints map[string]struct {
		Type string
		Spec struct{ Source string }
	} `json:",omitempty"`
}

// images are those that a container needs, each once.
func (c containerFile) images() []ID {
	var ids []ID
	add := func(name string) {
		if id, err := ParseID(name); err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(c.Image)
	for _, m := range c.MountPoints {
		if m.Type == "image" {
			add(m.Spec.Source)
		}
	}
	return ids
}

// containers maps images to the containers that need them, sorted by ID,
// Docker's first. What cannot be read names no image.
func (s *Store) containers() map[ID][]container {
	users := map[ID][]container{}
	add := func(name, path string) {
		c, err := readContainer(path)
		if err != nil {
			return
		}
		for _, id := range c.images() {
			users[id] = append(users[id], container{id: name, running: c.State.Running})
		}
	}
	dockers, _ := os.ReadDir(filepath.Join(s.opts.Root, "containers")) // none where no Docker is
	for _, e := range dockers {
		add(e.Name(), s.dockersContainer(e.Name()))
	}
	ours, _ := os.ReadDir(s.containerDir())
	for _, e := range ours {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		if s.hasRWLayer(name) {
			add(name, s.ourContainer(name))
		}
	}
	return users
}

// hasRWLayer tells whether there is a container's layer of that name, or may be
// where that cannot be told. A note of ours outlives it where a crash came
// between the two.
func (s *Store) hasRWLayer(name string) bool {
	_, err := os.Lstat(filepath.Join(s.opts.Root, "image", s.opts.DriverName, "layerdb", "mounts", name))
	return !errors.Is(err, fs.ErrNotExist)
}

// sweepContainers removes notes that a crash left of containers whose layers
// are gone, or never came.
func (s *Store) sweepContainers() error {
	if err := durable.Sweep(s.containerDir()); err != nil {
		return err
	}
	ours, err := os.ReadDir(s.containerDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range ours {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || s.hasRWLayer(name) {
			continue
		}
		if err := os.Remove(s.ourContainer(name)); err != nil {
			return err
		}
	}
	return nil
}

// dockersContainer is where Docker describes one.
// (moby container/container.go: containers/<id>/config.v2.json.)
func (s *Store) dockersContainer(name string) string {
	return filepath.Join(s.opts.Root, "containers", name, "config.v2.json")
}

func (s *Store) containerDir() string {
	return filepath.Join(s.opts.Root, "bulkhead", s.opts.DriverName, "containers")
}

func (s *Store) ourContainer(name string) string {
	return filepath.Join(s.containerDir(), name+".json")
}

func readContainer(path string) (c containerFile, err error) {
	data, err := readRegular(path, maxContainerConfig)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	return c, err
}

// ContainerImage is the image that a container was made of, "" where that is
// not known: Docker's containers, and layers that were made by hand. Docker has
// layers whose names no container can have, such as images that are mounted.
func (s *Store) ContainerImage(name string) (ID, error) {
	if graphdriver.ValidateID(name) != nil {
		return "", nil
	}
	for _, path := range []string{s.ourContainer(name), s.dockersContainer(name)} {
		c, err := readContainer(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && c.Image == "" {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("what is noted of container %s: %s: %w", name, path, err)
		}
		return ParseID(c.Image)
	}
	return "", nil
}

// SetContainerImage notes, durably, of which image a container was made; such
// an image is in use (Remove). With "" what was noted is forgotten.
func (s *Store) SetContainerImage(ctx context.Context, name string, id ID) error {
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := graphdriver.ValidateID(name); err != nil {
		if id == "" {
			return nil // nothing can have been noted
		}
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if id == "" {
		return durable.RemoveAll(s.ourContainer(name))
	}
	if _, err := s.Get(id); err != nil {
		return err
	}
	data, err := json.Marshal(containerFile{Image: id.String()})
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(s.containerDir(), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(s.ourContainer(name), append(data, '\n'), 0o600)
}
