package container

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// object is a JSON object whose fields we need not know: what is not changed
// stays as it is. Encoded, its keys are sorted.
type object map[string]json.RawMessage

// get reads a field; what is missing or null is the zero value.
func get[T any](o object, key string) (T, error) {
	var v T
	if raw := o[key]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &v); err != nil {
			return v, fmt.Errorf("%s: %w", key, err)
		}
	}
	return v, nil
}

func set(o object, key string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	o[key] = raw
	return nil
}

// inherited are the fields of an image's configuration that hold for one made
// of it; the others tell of how that one was made.
func inherited() []string {
	return []string{"architecture", "variant", "os", "os.version", "os.features", "config"}
}

// config is the configuration of an image that has one layer more. Docker's
// fields about the container that an image was made in (container,
// container_config, docker_version) are left out, as Docker itself leaves
// them out since 26. (moby image.NewChildImage.)
func config(parent *image.Image, rw layer.RWLayer, l layer.Layer, opts CommitOptions) ([]byte, error) {
	from := object{}
	if len(parent.Raw) > 0 {
		if err := json.Unmarshal(parent.Raw, &from); err != nil {
			return nil, err
		}
	}
	out := object{}
	for _, key := range inherited() {
		if raw, ok := from[key]; ok {
			out[key] = raw
		}
	}
	run, err := get[object](out, "config")
	if err != nil {
		return nil, err
	}
	if run == nil {
		run = object{}
	}
	command, err := get[image.StringList](run, "Cmd")
	if err != nil {
		return nil, err
	}
	if err := opts.Changes.apply(run); err != nil {
		return nil, err
	}
	history, err := get[[]json.RawMessage](from, "history")
	if err != nil {
		return nil, err
	}
	now := opts.Now().UTC()
	if parent.ID == "" { // the layers beneath have no history; one step each keeps sizes where they belong
		for _, diff := range parent.RootFS.DiffIDs {
			step, err := json.Marshal(historyStep{Created: now, CreatedBy: "layer " + diff.String()})
			if err != nil {
				return nil, err
			}
			history = append(history, step)
		}
	}
	step, err := json.Marshal(historyStep{
		Created: now, Author: opts.Author, CreatedBy: strings.Join(command, " "), Comment: opts.Comment, EmptyLayer: changesNothing(l),
	})
	if err != nil {
		return nil, err
	}
	fields := map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": run, "created": now,
		"rootfs": rootFS(parent, l), "history": append(history, step),
	}
	if opts.Author != "" {
		fields["author"] = opts.Author
	}
	for key, v := range fields {
		if _, has := out[key]; has && (key == "architecture" || key == "os") {
			continue
		}
		if err := set(out, key, v); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

// historyStep is one step as Docker writes it.
type historyStep struct {
	Created    time.Time `json:"created"`
	Author     string    `json:"author,omitempty"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

func changesNothing(l layer.Layer) bool { return digest.Digest(l.DiffID()) == noChange }

// rootFS is the parent's and the layer, if there is anything in it.
func rootFS(parent *image.Image, l layer.Layer) ocispec.RootFS {
	diffs := append([]digest.Digest{}, parent.RootFS.DiffIDs...)
	if !changesNothing(l) {
		diffs = append(diffs, digest.Digest(l.DiffID()))
	}
	return ocispec.RootFS{Type: "layers", DiffIDs: diffs}
}

// chain is the file system of an image that ends with top, which may be nil.
func chain(top layer.Layer) ocispec.RootFS {
	fs := ocispec.RootFS{Type: "layers"}
	for l := top; l != nil; l = l.Parent() {
		fs.DiffIDs = append(fs.DiffIDs, digest.Digest(l.DiffID()))
	}
	slices.Reverse(fs.DiffIDs)
	return fs
}
