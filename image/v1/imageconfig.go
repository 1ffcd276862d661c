package v1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/brief"
	"github.com/bulkhead/bulkhead/layer"
)

// step is an entry of a configuration's history, in the order of fields that
// Docker writes: the image's ID depends on it.
type step struct {
	Created    time.Time `json:"created"`
	Author     string    `json:"author,omitempty"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

// MakeImageConfig makes the configuration of an image that is named by its
// content out of one of the graph: raw is the graph's JSON of it, parent the
// configuration that was made so of its parent, nil for none, and id its own
// layer. Every image of a graph has a layer, be it empty, and is a step of the
// history. The result is, byte for byte, what Docker 1.10 and later made of the
// same, and so is the image's ID. Errors wrap image.ErrInvalidConfig.
// (moby migrate/v1, image/v1.)
func MakeImageConfig(raw, parent []byte, id layer.DiffID) ([]byte, error) {
	img, err := ParseImage(raw)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if olderThan(img.DockerVersion, exactSince) {
		if raw, err = json.Marshal(img); err != nil {
			return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, brief.Error(err))
		}
	}
	// What follows the document is passed over, as it was while Docker ran it.
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&fields); err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, brief.Error(err))
	}
	above := struct {
		RootFS  ocispec.RootFS `json:"rootfs"`
		History []step         `json:"history"`
	}{RootFS: ocispec.RootFS{Type: "layers"}}
	if parent != nil {
		if err := json.Unmarshal(parent, &above); err != nil {
			return nil, fmt.Errorf("%w: that of the parent: %w", image.ErrInvalidConfig, brief.Error(err))
		}
	}
	above.RootFS.DiffIDs = append(above.RootFS.DiffIDs, digest.Digest(id))
	above.History = append(above.History, step{
		Created: img.Created, Author: img.Author, CreatedBy: strings.Join(img.ContainerConfig.Cmd, " "), Comment: img.Comment,
	})
	for _, local := range []string{"id", "parent", "Size", "parent_id", "layer_id", "throwaway"} {
		delete(fields, local)
	}
	if fields["rootfs"], err = json.Marshal(above.RootFS); err == nil {
		fields["history"], err = json.Marshal(above.History)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", image.ErrInvalidConfig, brief.Error(err))
	}
	return json.Marshal(fields)
}
