package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/distribution/reference"
	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/image/registry"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) imagePush() *cobra.Command {
	var all, quiet bool
	var format string
	cmd := &cobra.Command{
		Use:   "push NAME[:TAG]",
		Short: "Push an image to a registry",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if f := registry.Format(format); f != "" && f != registry.FormatDocker && f != registry.FormatOCI {
				return usage(cmd, fmt.Errorf("format %q: use docker or oci", format))
			}
			ref, err := refs.Parse(names[0])
			if err != nil {
				return usage(cmd, err)
			}
			if _, ok := ref.(reference.Canonical); ok {
				return usage(cmd, errors.New("an image is pushed by a tag: its digest is what comes of it"))
			}
			if all && !reference.IsNameOnly(ref) {
				return usage(cmd, errors.New("a tag cannot be used with --all-tags"))
			}
			return a.push(cmd.Context(), ref, all, registry.Format(format), quiet)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-tags", "a", false, "push all tags of the name")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say no more than the names")
	cmd.Flags().StringVar(&format, "format", "", "kind of a new manifest: docker or oci (default: as the image came, or docker)")
	return cmd
}

// push pushes images by their names, and gives them the digests that come of
// it.
func (a *app) push(ctx context.Context, ref reference.Named, all bool, format registry.Format, quiet bool) error {
	if !quiet {
		fmt.Fprintf(a.out, "The push refers to repository [%s]\n", ref.Name())
	}
	var gained []image.Name
	err := a.with(ctx, read, func(o *opened) error {
		tags, err := tagsToPush(o.Images, ref, all)
		if err != nil {
			return err
		}
		for _, name := range tags {
			pushed, err := a.pushOne(ctx, o, name, format, quiet)
			if by, derr := reference.WithDigest(reference.TrimNamed(name.Ref), pushed.Digest); pushed.Digest != "" && derr == nil {
				gained = append(gained, image.Name{Ref: by, ID: name.ID})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if len(gained) == 0 {
		return err
	}
	return errors.Join(err, a.with(ctx, names, func(o *opened) error {
		_, err := o.Images.SetRefs(ctx, gained)
		return err
	}))
}

// tagsToPush are the image of a name, or all of a repository.
func tagsToPush(images *image.Store, ref reference.Named, all bool) ([]image.Name, error) {
	if !all {
		id, err := images.Refs().Get(ref)
		if err != nil {
			return nil, fmt.Errorf("%w by the name of %s: image tag gives it to one", image.ErrNotFound, reference.FamiliarString(reference.TagNameOnly(ref)))
		}
		return []image.Name{{Ref: reference.TagNameOnly(ref), ID: image.ID(id)}}, nil
	}
	var tags []image.Name
	for _, a := range images.Refs().ByName(ref) {
		if _, ok := a.Ref.(reference.NamedTagged); ok {
			tags = append(tags, image.Name{Ref: a.Ref, ID: image.ID(a.ID)})
		}
	}
	if len(tags) == 0 {
		return nil, fmt.Errorf("%w by the name of %s", image.ErrNotFound, reference.FamiliarString(ref))
	}
	return tags, nil
}

func (a *app) pushOne(ctx context.Context, o *opened, name image.Name, format registry.Format, quiet bool) (registry.Pushed, error) {
	tag, ok := name.Ref.(reference.NamedTagged)
	if !ok {
		return registry.Pushed{}, fmt.Errorf("%s: no tag", name.Ref)
	}
	img, err := o.Images.Get(name.ID)
	if err != nil {
		return registry.Pushed{}, err
	}
	bars := a.progress(quiet, false)
	var mu sync.Mutex
	var told []string
	pushed, err := registry.Push(ctx, tag, img, o.Stores, blobs.Of(a.cfg.Root), registry.PushOptions{
		Format: format, TempDir: a.cfg.TempDir, Progress: bars,
		Told: func(id layer.DiffID, how string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, shortID(id.String(), false)+": "+how)
		},
	}, a.registryOptions())
	bars.Close()
	if pushed.Digest == "" {
		return pushed, err
	}
	if quiet {
		fmt.Fprintln(a.out, tag)
		return pushed, err
	}
	for _, line := range told {
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintf(a.out, "%s: digest: %s size: %d\n", tag.Tag(), pushed.Digest, pushed.Size)
	return pushed, err
}
