package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/squash"
)

func (a *app) imageSquash() *cobra.Command {
	var parent, name string
	cmd := &cobra.Command{
		Use:   "squash [--parent IMAGE] [-t NAME] IMAGE",
		Short: "Make an image with the layers of a parent and one more (without a parent, with one)",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, images []string) error {
			if name != "" {
				if _, err := refs.ParseTag(name); err != nil {
					return usage(cmd, err)
				}
			}
			return a.with(cmd.Context(), write, func(o *opened) error {
				id, err := o.Images.Resolve(images[0])
				if err != nil {
					return err
				}
				opts := squash.Options{Name: name}
				if parent != "" {
					if opts.Parent, err = o.Images.Resolve(parent); err != nil {
						return err
					}
				}
				made, err := squash.Image(cmd.Context(), squash.Stores{Images: o.Images, Layers: o.Layers}, id, opts)
				if err == nil {
					fmt.Fprintln(a.out, made)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&parent, "parent", "", "image whose layers are kept; they have to be the lowest of IMAGE")
	cmd.Flags().StringVarP(&name, "tag", "t", "", "name of the new image")
	return cmd
}
