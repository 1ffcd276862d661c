package image

import (
	"cmp"
	"context"
	"runtime"
	"time"

	"github.com/distribution/reference"
)

// Inspection is what `docker image inspect` prints of an image, in its names
// and order. (moby api/types.ImageInspect, API 1.41.)
type Inspection struct {
	ID              string `json:"Id"`
	RepoTags        []string
	RepoDigests     []string
	Parent          string
	Comment         string
	Created         string
	Container       string
	ContainerConfig *ContainerConfig
	DockerVersion   string
	Author          string
	Config          *ContainerConfig
	Architecture    string
	Variant         string `json:",omitempty"`
	Os              string
	OsVersion       string `json:",omitempty"`
	Size            int64
	VirtualSize     int64
	GraphDriver     DriverData
	RootFS          RootFS
	Metadata        Metadata
}

// DriverData is where the driver keeps the top layer. Data is nil where no
// driver was loaded to ask.
type DriverData struct {
	Data map[string]string
	Name string
}

// RootFS lists the layers, lowest first.
type RootFS struct {
	Type      string
	Layers    []string `json:",omitempty"`
	BaseLayer string   `json:",omitempty"` // of Windows; here for templates that print all
}

// Metadata is what the store notes beside the configuration.
type Metadata struct {
	LastTagTime time.Time
}

// Inspect tells all of one image. An operating system that the image does not
// name is this one, as Docker has it. (moby daemon/images/image_inspect.go.)
func (s *Store) Inspect(ctx context.Context, id ID) (*Inspection, error) {
	img, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	top, err := s.Layer(id)
	if err != nil {
		return nil, err
	}
	in := &Inspection{
		ID:              id.String(),
		RepoTags:        []string{},
		RepoDigests:     []string{},
		Parent:          img.Parent.String(),
		Comment:         img.lastComment(),
		Created:         img.CreatedTime().Format(time.RFC3339Nano),
		Container:       img.Container,
		ContainerConfig: img.ContainerConfig,
		DockerVersion:   img.DockerVersion,
		Author:          img.Author,
		Config:          img.Config.Config,
		Architecture:    img.Architecture,
		Variant:         img.Variant,
		Os:              cmp.Or(img.OS, runtime.GOOS),
		OsVersion:       img.OSVersion,
		GraphDriver:     DriverData{Name: s.opts.DriverName},
		RootFS:          RootFS{Type: img.RootFS.Type},
		Metadata:        Metadata{LastTagTime: s.db.lastUpdated(id)},
	}
	if in.ContainerConfig == nil {
		in.ContainerConfig = &ContainerConfig{} // Docker has no null here
	}
	for _, ref := range s.References(id) {
		switch ref.(type) {
		case reference.Canonical:
			in.RepoDigests = append(in.RepoDigests, reference.FamiliarString(ref))
		case reference.NamedTagged:
			in.RepoTags = append(in.RepoTags, reference.FamiliarString(ref))
		}
	}
	for _, d := range img.RootFS.DiffIDs {
		in.RootFS.Layers = append(in.RootFS.Layers, d.String())
	}
	if top == nil {
		return in, nil
	}
	in.Size = top.Size()
	in.VirtualSize = in.Size
	if s.opts.DriverMetadata {
		if in.GraphDriver.Data, err = top.Metadata(ctx); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// lastComment is the image's own comment, or else that of its last step.
func (c *Config) lastComment() string {
	if c.Comment == "" && len(c.History) > 0 {
		return c.History[len(c.History)-1].Comment
	}
	return c.Comment
}
