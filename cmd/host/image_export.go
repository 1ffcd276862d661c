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
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) imageExport() *cobra.Command {
	return a.exportCommand(&cobra.Command{
		Use:   "export IMAGE",
		Short: "Write the file system of an image as one tar, its layers proven first",
	}, exportImage)
}

func (a *app) layerExport() *cobra.Command {
	return a.exportCommand(&cobra.Command{
		Use:   "export NAME|LAYER",
		Short: "Write the file system that a container's layer, or another, is the top of as one tar",
		Long: `Write the file system that a container's layer, or another, is the top of as one
tar, as docker export does. The layers beneath are proven first; what a container
changed nobody can prove.`,
	}, exportLayer)
}

// exportFunc writes the tree of what has a name.
type exportFunc func(ctx context.Context, o *opened, name, verify string, w io.Writer) error

func (a *app) exportCommand(cmd *cobra.Command, export exportFunc) *cobra.Command {
	var to, verify string
	cmd.Args = args(cobra.ExactArgs(1))
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if to == "" && isTerminal(a.out) {
			return usage(cmd, errors.New("a tar is not written to a terminal: name a file with -o, or redirect"))
		}
		if !slices.Contains([]string{verifyQuick, verifyFull, verifyNone}, verify) {
			return usage(cmd, fmt.Errorf("--verify=%s: use %s, %s or %s", verify, verifyQuick, verifyFull, verifyNone))
		}
		ctx := cmd.Context()
		return a.with(ctx, read, func(o *opened) error {
			if to == "" || to == "-" {
				return export(ctx, o, names[0], verify, a.out)
			}
			return archive.WriteFile(ctx, to, func(w io.Writer) error { return export(ctx, o, names[0], verify, w) })
		})
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
	return exportChain(ctx, o, img.ChainID(), verify, w)
}

// exportLayer writes the tree of a container, or that of a layer.
func exportLayer(ctx context.Context, o *opened, name, verify string, w io.Writer) error {
	rw := findContainer(o.Layers, name)
	if rw == nil {
		chain, err := findLayer(o.Layers, name)
		if err != nil {
			return err
		}
		return exportChain(ctx, o, chain, verify, w)
	}
	if below := rw.Parent(); below != nil && verify != verifyNone {
		if err := o.Layers.Prove(ctx, below.ChainID(), verify == verifyFull); err != nil {
			return err
		}
	}
	stream, err := rw.TreeStream(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, stream)
	return errors.Join(err, stream.Close())
}

func exportChain(ctx context.Context, o *opened, chain layer.ChainID, verify string, w io.Writer) error {
	if chain == "" {
		return tar.NewWriter(w).Close()
	}
	if verify != verifyNone {
		if err := o.Layers.Prove(ctx, chain, verify == verifyFull); err != nil {
			return err
		}
	}
	top, err := o.Layers.Get(chain)
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
