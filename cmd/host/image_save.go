package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/archive"
)

func (a *app) imageSave() *cobra.Command {
	var to, format string
	var since []string
	var quiet, verbose bool
	cmd := &cobra.Command{
		Use:   "save IMAGE [IMAGE...]",
		Short: "Save images to an archive, every layer verified",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, images []string) error {
			ctx := cmd.Context()
			kind, err := archive.ParseFormat(format)
			if err != nil {
				return usage(cmd, err)
			}
			if to == "" && isTerminal(a.out) {
				return usage(cmd, errors.New("an archive is not written to a terminal: name a file with -o, or redirect"))
			}
			return a.with(ctx, read, func(o *opened) error {
				bars := a.progress(quiet, verbose)
				defer bars.Close()
				opts := archive.SaveOptions{Format: kind, Since: since, Progress: bars}
				if to == "" || to == "-" {
					return archive.SaveTo(ctx, o.Stores, images, a.out, opts)
				}
				return archive.Save(ctx, o.Stores, images, to, opts)
			})
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "write to this file instead of standard output")
	cmd.Flags().StringVar(&format, "format", string(archive.DockerArchive), "docker-archive, oci-archive or oci-dir")
	cmd.Flags().StringArrayVar(&since, "since", nil, "leave out the layers of this image; the archive is for where it is")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell of each layer where there is no terminal")
	return cmd
}
