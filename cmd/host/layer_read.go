package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) layerDiff() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "diff LAYER|NAME",
		Short: "Write a layer's tar to standard output, verified, or its difference to an ancestor, or what a container's layer changes",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			ctx := cmd.Context()
			if isTerminal(a.out) {
				return usage(cmd, errors.New("a tar is not written to a terminal: redirect it"))
			}
			return a.with(ctx, read, func(o *opened) error {
				stream, err := layerStream(ctx, o.Layers, ids[0], from)
				if err != nil {
					return err
				}
				_, err = io.Copy(a.out, stream)
				return errors.Join(err, stream.Close())
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", `ancestor to compare with, or "none" for the whole tree; the driver's own tar, not verified`)
	return cmd
}

func layerStream(ctx context.Context, layers *layer.Store, id, from string) (io.ReadCloser, error) {
	if rw := findContainer(layers, id); rw != nil {
		if from != "" {
			return nil, fmt.Errorf("%s is a container's layer, which is compared with its parent only: leave out --from", id)
		}
		return rw.TarStream(ctx)
	}
	chain, err := findLayer(layers, id)
	if err != nil {
		return nil, err
	}
	l := layers.Map()[chain]
	switch from {
	case "":
		return l.TarStream(ctx)
	case "none":
		return l.TarStreamFrom(ctx, "")
	}
	ancestor, err := findLayer(layers, from)
	if err != nil {
		return nil, err
	}
	return l.TarStreamFrom(ctx, ancestor)
}

func (a *app) layerVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [LAYER...]",
		Short: "Read layers again and compare them with their digests (all layers without arguments)",
		RunE: func(cmd *cobra.Command, ids []string) error {
			ctx := cmd.Context()
			return a.with(ctx, read, func(o *opened) error {
				var chains []layer.ChainID
				var errs []error
				for _, id := range ids {
					chain, err := findLayer(o.Layers, id)
					if err != nil {
						return err
					}
					chains = append(chains, chain)
				}
				if len(ids) == 0 {
					for _, l := range sortedLayers(o.Layers) {
						chains = append(chains, l.ChainID())
					}
					errs = o.Layers.Broken()
				}
				for _, chain := range chains {
					err := o.Layers.Verify(ctx, chain)
					if err := ctx.Err(); err != nil {
						return err
					}
					errs = append(errs, err)
					a.verdict(chain.String(), err)
				}
				return errors.Join(errs...)
			})
		},
	}
}
