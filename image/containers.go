package image

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// maxContainerConfig bounds what is read of one container's file, in bytes.
const maxContainerConfig = 8 << 20

// container is one that a Docker has made of an image.
type container struct {
	id      string
	running bool // as the file has it, which a dockerd that was killed leaves so
}

// containers maps images to the containers that a Docker beneath the same
// root has made of them, sorted by ID. What cannot be read names no image.
// (moby container/container.go: containers/<id>/config.v2.json.)
func (s *Store) containers() map[ID][]container {
	users := map[ID][]container{}
	dir := filepath.Join(s.opts.Root, "containers")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return users // a root that no Docker uses
	}
	for _, e := range entries {
		data, err := readRegular(filepath.Join(dir, e.Name(), "config.v2.json"), maxContainerConfig)
		if err != nil {
			continue
		}
		var c struct {
			Image string
			State struct{ Running bool }
		}
		if json.Unmarshal(data, &c) != nil {
			continue
		}
		if id, err := ParseID(c.Image); err == nil {
			users[id] = append(users[id], container{id: e.Name(), running: c.State.Running})
		}
	}
	return users
}
