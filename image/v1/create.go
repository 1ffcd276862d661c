package v1

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"runtime"
	"strings"
)

// CreateOptions say what an image is to be called and made of.
type CreateOptions struct {
	// ContainerID is the container that it is made of, if any; only then do
	// Parent and ContainerConfig count.
	ContainerID     string
	Parent          string
	ContainerConfig *ContainerConfig

	Comment, Author string
	Config          *ContainerConfig
}

// Create registers a new image under an ID of its own.
func (g *Graph) Create(ctx context.Context, layerData io.Reader, opts CreateOptions) (*Image, error) {
	img := &Image{
		ID: newID(), Created: g.opts.Now().UTC(), Comment: opts.Comment, Author: opts.Author, Config: opts.Config,
		DockerVersion: g.opts.Version, Architecture: runtime.GOARCH, OS: runtime.GOOS,
	}
	if opts.ContainerID != "" {
		img.Container, img.Parent = opts.ContainerID, opts.Parent
		if opts.ContainerConfig != nil {
			img.ContainerConfig = *opts.ContainerConfig
		}
	}
	if err := g.Register(ctx, Describe(img), layerData); err != nil {
		return nil, err
	}
	return img, nil
}

// newID is a random ID. Its short form is never one of digits alone, which
// some programs take for a number.
func newID() string {
	for {
		if id := randomHex(); strings.ContainsAny(Short(id), "abcdef") {
			return id
		}
	}
}

func randomHex() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
