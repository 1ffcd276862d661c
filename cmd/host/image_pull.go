package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/image/registry"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) imagePull() *cobra.Command {
	var platform string
	var quiet, verbose bool
	cmd := &cobra.Command{
		Use:   "pull NAME[:TAG|@DIGEST] [NAME...]",
		Short: "Pull images from a registry",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			want, err := platformFlag(platform)
			if err != nil {
				return usage(cmd, err)
			}
			var all []reference.Named
			for _, name := range names {
				ref, err := refs.Parse(name)
				if err != nil {
					return usage(cmd, err)
				}
				all = append(all, ref)
			}
			if _, err := a.drivers(false).choose(cmd.Context(), list); err != nil {
				return err
			}
			boundMemory()
			var errs []error
			for _, ref := range all {
				errs = append(errs, a.pull(cmd.Context(), ref, want, quiet, verbose))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVar(&platform, "platform", "", "take the image for OS/ARCHITECTURE[/VARIANT] instead of this machine's")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say no more than the names")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell of each layer where there is no terminal")
	limitFlags(cmd.Flags())
	return cmd
}

func platformFlag(s string) (*ocispec.Platform, error) {
	if s == "" {
		return nil, nil
	}
	return archive.ParsePlatform(s)
}

// pull pulls one image. The root is locked only while what was downloaded is
// stored.
func (a *app) pull(ctx context.Context, ref reference.Named, platform *ocispec.Platform, quiet, verbose bool) (err error) {
	src, err := registry.Open(ctx, ref, blobs.Of(a.cfg.Root), a.registryOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if !quiet {
		fmt.Fprintf(a.out, "%s: Pulling from %s\n", tagOrDigest(src.Ref()), reference.Path(ref))
	}
	p, err := registry.NewPull(src, platform, archive.LoadOptions{Limits: a.archiveLimits(), Blobs: blobs.Of(a.cfg.Root), Keep: a.cfg.KeepBlobs})
	if err != nil {
		return err
	}
	stored := func(layer.ChainID) bool { return false }
	err = a.with(ctx, list, func(o *opened) error {
		there := o.Layers.Map()
		stored = func(id layer.ChainID) bool { return there[id] != nil }
		return nil
	})
	if err != nil {
		return err
	}
	bars := a.progress(quiet, verbose)
	err = p.Download(ctx, stored, bars)
	bars.Close()
	if err != nil {
		return err
	}
	return a.with(ctx, write, func(o *opened) error {
		bars := a.progress(quiet, verbose)
		pulled, err := p.Store(ctx, o.Stores, bars)
		bars.Close()
		if err != nil {
			return err
		}
		a.showPulled(pulled, quiet)
		_, err = a.sweepBlobs(blobs.Stale, false)
		return err
	})
}

func (a *app) showPulled(p registry.Pulled, quiet bool) {
	if !quiet {
		fmt.Fprintf(a.out, "Digest: %s\n", p.Digest)
		status := "Image is up to date for "
		if p.News {
			status = "Downloaded newer image for "
		}
		fmt.Fprintf(a.out, "Status: %s%s\n", status, reference.FamiliarString(p.Ref))
	}
	fmt.Fprintln(a.out, p.Ref)
}

func tagOrDigest(ref reference.Named) string {
	if canonical, ok := ref.(reference.Canonical); ok {
		return canonical.Digest().String()
	}
	if tagged, ok := ref.(reference.Tagged); ok {
		return tagged.Tag()
	}
	return ""
}

// registryOptions are how the configuration has registries reached.
func (a *app) registryOptions() registry.Options {
	hosts := map[string]registry.Host{}
	for name, r := range a.cfg.Registries {
		hosts[name] = registry.Host{Mirrors: r.Mirrors, Insecure: r.Insecure, CA: r.CA}
	}
	return registry.Options{
		Hosts: hosts, UserAgent: "bulkhead/" + version, Limits: a.archiveLimits(), Spool: int64(a.cfg.Limits.Spool),
	}
}
