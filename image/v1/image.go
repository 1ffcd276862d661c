package v1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
)

// Image is what the file json says of an image. The order of the fields and
// what is left out when it is empty are Docker's of 1.8.3, since the strong
// IDs of older images are hashes of what comes of writing it again.
// (moby 1.9 image/image.go.)
type Image struct {
	ID              string           `json:"id,omitempty"`
	Parent          string           `json:"parent,omitempty"`
	Comment         string           `json:"comment,omitempty"`
	Created         time.Time        `json:"created"`
	Container       string           `json:"container,omitempty"`
	ContainerConfig ContainerConfig  `json:"container_config"`
	DockerVersion   string           `json:"docker_version,omitempty"`
	Author          string           `json:"author,omitempty"`
	Config          *ContainerConfig `json:"config,omitempty"`
	Architecture    string           `json:"architecture,omitempty"`
	OS              string           `json:"os,omitempty"`
	// Size is what the layer adds, in bytes; below 0 it is not known yet.
	Size int64 `json:",omitempty"`
	// ParentID is the strong ID of the parent, LayerID the digest of the layer.
	ParentID digest.Digest `json:"parent_id,omitempty"`
	LayerID  digest.Digest `json:"layer_id,omitempty"`
}

// ContainerConfig is how a container of the image starts, in the fields that
// Docker had then. (moby 1.9 runconfig/config.go.)
type ContainerConfig struct {
	Hostname        string
	Domainname      string
	User            string
	AttachStdin     bool
	AttachStdout    bool
	AttachStderr    bool
	ExposedPorts    map[string]struct{} `json:",omitempty"`
	PublishService  string              `json:",omitempty"`
	Tty             bool
	OpenStdin       bool
	StdinOnce       bool
	Env             []string
	Cmd             image.StringList
	ArgsEscaped     bool `json:",omitempty"`
	Image           string
	Volumes         map[string]struct{}
	VolumeDriver    string `json:",omitempty"`
	WorkingDir      string
	Entrypoint      image.StringList
	NetworkDisabled bool   `json:",omitempty"`
	MacAddress      string `json:",omitempty"`
	OnBuild         []string
	Labels          map[string]string
	StopSignal      string `json:",omitempty"`
}

// ParseImage reads an image's JSON; whatever follows the document is passed
// over, as Docker does. Every error wraps image.ErrInvalidConfig.
func ParseImage(raw []byte) (*Image, error) {
	if err := bounded(raw); err != nil {
		return nil, err
	}
	var img Image
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&img); err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, brief.Error(err))
	}
	return &img, nil
}

// bounded refuses a document that would take too much memory.
func bounded(raw []byte) error {
	if len(raw) > image.MaxConfigSize {
		return fmt.Errorf("%w: %d bytes, more than %d", image.ErrInvalidConfig, len(raw), image.MaxConfigSize)
	}
	if err := jsonsize.Check(raw); err != nil {
		return fmt.Errorf("%w: %w", image.ErrInvalidConfig, err)
	}
	return nil
}

// Descriptor is an image that is to be registered.
type Descriptor interface {
	ID() string
	Parent() string
	MarshalConfig() ([]byte, error)
}

// Describe makes a Descriptor of an image whose ID is not made of its
// content.
func Describe(img *Image) Descriptor { return described{img} }

type described struct{ img *Image }

func (d described) ID() string                     { return d.img.ID }
func (d described) Parent() string                 { return d.img.Parent }
func (d described) MarshalConfig() ([]byte, error) { return json.Marshal(d.img) }
