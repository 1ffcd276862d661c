package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/archive"
)

func (a *app) imageExport() *cobra.Command {
	var to, verify string
	cmd := &cobra.Command{
		Use:   "export IMAGE",
		Short: "Write the file system of an image as one tar, its layers proven first",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if to == "" && isTerminal(a.out) {
				return usage(cmd, errors.New("a tar is not written to a terminal: name a file with -o, or redirect"))
			}
			if !slices.Contains([]string{verifyQuick, verifyFull, verifyNone}, verify) {
				return usage(cmd, fmt.Errorf("--verify=%s: use %s, %s or %s", verify, verifyQuick, verifyFull, verifyNone))
			}
			ctx := cmd.Context()
			return a.with(ctx, read, func(o *opened) error {
				if to == "" || to == "-" {
					return exportImage(ctx, o, names[0], verify, a.out)
				}
				return archive.WriteFile(ctx, to, func(w io.Writer) error { return exportImage(ctx, o, names[0], verify, w) })
			})
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().StringVar(&verify, "verify", verifyQuick, "prove the files before they are read: quick, full or none, as for mount")
	return cmd
}

// exportImage writes the tree that a container of the image would begin with.
func exportImage(ctx context.Context, o *opened, name, verify string, w io.Writer) error {
	id, err := o.Images.Resolve(name)
	if err != nil {
		return err
	}
	img, err := o.Images.Get(id)
	if err != nil {
		return err
	}
	if img.ChainID() == "" {
		return tar.NewWriter(w).Close()
	}
	if verify != verifyNone {
		if err := o.Layers.Prove(ctx, img.ChainID(), verify == verifyFull); err != nil {
			return err
		}
	}
	top, err := o.Layers.Get(img.ChainID())
	if err != nil {
		return err
	}
	stream, err := top.TarStreamFrom(ctx, "")
	if err == nil {
		_, err = io.Copy(w, stream)
		err = errors.Join(err, stream.Close())
	}
	_, rerr := o.Layers.Release(context.WithoutCancel(ctx), top)
	return errors.Join(err, rerr)
}
