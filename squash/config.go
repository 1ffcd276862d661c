package squash

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// object is a JSON object whose fields we need not know: what is not changed
// stays as it is. Encoded, its keys are sorted, as moby has them.
type object = map[string]json.RawMessage

// config is the image's configuration with the parent's layers and the new
// one. The history stays, but steps after the parent's made no layer; one that
// says where the layer came from is added. (moby daemon.SquashImage, with its
// comments.)
func config(img, parent *image.Image, l layer.Layer, now time.Time) ([]byte, error) {
	var c object
	if err := json.Unmarshal(img.Raw, &c); err != nil {
		return nil, err
	}
	diffs := make([]digest.Digest, 0, len(parent.RootFS.DiffIDs)+1)
	diffs = append(diffs, parent.RootFS.DiffIDs...)
	diffs = append(diffs, digest.Digest(l.DiffID()))
	comment := fmt.Sprintf("create new from %s", img.ID)
	if parent.ID != "" {
		comment = fmt.Sprintf("merge %s to %s", img.ID, parent.ID)
	}
	history, err := history(c["history"], len(parent.History), comment, now)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	for key, value := range map[string]any{
		"rootfs": struct {
			Type    string          `json:"type"`
			DiffIDs []digest.Digest `json:"diff_ids"`
		}{"layers", diffs},
		"history": history,
		"created": now.UTC(),
	} {
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		c[key] = b
	}
	return json.Marshal(c)
}

func history(raw json.RawMessage, kept int, comment string, now time.Time) ([]object, error) {
	var steps []object
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &steps); err != nil {
			return nil, err
		}
	}
	for i := kept; i < len(steps); i++ {
		if steps[i] == nil {
			steps[i] = object{}
		}
		steps[i]["empty_layer"] = json.RawMessage("true")
	}
	created, err := json.Marshal(now.UTC())
	if err != nil {
		return nil, err
	}
	said, err := json.Marshal(comment)
	if err != nil {
		return nil, err
	}
	return append(steps, object{"created": created, "comment": said}), nil
}
