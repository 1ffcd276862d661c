package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

// Repositories tells which images the names of a Docker root mean: names of
// repositories, then tags or digests, then IDs. Nothing of it is checked but
// that it can be read; a root without names has none. Errors wrap
// image.ErrCorrupt, or say why the file cannot be read now.
func (g *Graph) Repositories() (map[string]map[string]string, error) {
	path := filepath.Join(g.opts.Root, "repositories-"+g.opts.DriverName)
	raw, err := readRegular(path, image.MaxConfigSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, errNotPlain):
		return nil, fmt.Errorf("%w: %w", image.ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	var file struct {
		Repositories map[string]map[string]string
	}
	if err := jsonsize.Check(raw); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", image.ErrCorrupt, path, err)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", image.ErrCorrupt, path, brief.Error(err))
	}
	return file.Repositories, nil
}

// Container is a container of a Docker root, as far as its images' users need
// to know.
type Container struct {
	ID string
	// Name is what people call it, "" if that cannot be read.
	Name string
}

// Containers lists the containers of a Docker root, sorted by ID.
func (g *Graph) Containers() ([]Container, error) {
	dir := filepath.Join(g.opts.Root, "containers")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Container
	for _, e := range entries {
		if !e.IsDir() || ValidateID(e.Name()) != nil {
			continue
		}
		c := Container{ID: e.Name()}
		var config struct{ Name string }
		raw, err := readRegular(filepath.Join(dir, c.ID, "config.json"), image.MaxConfigSize)
		if err == nil && jsonsize.Check(raw) == nil && json.Unmarshal(raw, &config) == nil {
			c.Name = strings.TrimPrefix(config.Name, "/")
		}
		all = append(all, c)
	}
	return all, nil
}
