package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
)

// ImportOptions say what an image is to be that is made of an archive.
type ImportOptions struct {
	// Message is told as its comment, and in its history.
	Message string
	// Changes are made to an empty configuration.
	Changes Changes
	// Platform is what it is for, by default this machine.
	Platform *ocispec.Platform
	// Name is given to the image, "" for none.
	Name string
	// Entries is how many the archive may have, 0 for any number.
	Entries int64
	// Now is when the image is made; nil is time.Now.
	Now func() time.Time
}

// Import makes an image of one layer, which is the archive as it is, and
// returns its ID: what docker import does. After an error nothing new stays.
func Import(ctx context.Context, in Stores, tar io.Reader, opts ImportOptions) (_ image.ID, err error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Platform == nil {
		opts.Platform = &ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	if opts.Platform.OS != "linux" {
		return "", fmt.Errorf("import: an image for %.100q cannot be used on linux", opts.Platform.OS)
	}
	run := object{}
	if err := opts.Changes.apply(run); err != nil {
		return "", err
	}
	ses, err := in.Layers.NewSession(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ses.Close(ctx)) }()
	l, err := ses.Register(ctx, tar, "", layer.RegisterOptions{Entries: opts.Entries})
	if err != nil {
		return "", fmt.Errorf("import: %w", err)
	}
	defer func() {
		_, rerr := in.Layers.Release(context.WithoutCancel(ctx), l) // or nobody would think of it again
		err = errors.Join(err, rerr)
	}()
	if err := ses.Commit(ctx); err != nil {
		return "", fmt.Errorf("import: %w", err)
	}
	raw, err := imported(l, run, opts)
	if err != nil {
		return "", fmt.Errorf("import: %w", err)
	}
	return store(ctx, in.Images, raw, "", opts.Name)
}

// imported is the configuration of the image. (moby daemon/images.ImportImage.)
func imported(l layer.Layer, run object, opts ImportOptions) ([]byte, error) {
	now := opts.Now().UTC()
	fields := map[string]any{
		"architecture": opts.Platform.Architecture, "os": opts.Platform.OS, "config": run, "created": now, "comment": opts.Message,
		"rootfs":  ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.Digest(l.DiffID())}},
		"history": []historyStep{{Created: now, Comment: opts.Message}},
	}
	if opts.Platform.Variant != "" {
		fields["variant"] = opts.Platform.Variant
	}
	return json.Marshal(fields)
}
