package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/container"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/refs"
)

func (a *app) imageImport() *cobra.Command {
	var opts container.ImportOptions
	var changes []string
	var platform string
	cmd := &cobra.Command{
		Use:   "import FILE|- [NAME[:TAG]]",
		Short: "Make an image of one layer of a tar of a file system, compressed or not",
		Args:  args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if len(names) == 2 {
				opts.Name = names[1]
				if _, err := refs.ParseTag(opts.Name); err != nil {
					return usage(cmd, err)
				}
			}
			if opts.Platform, err = platformFlag(platform); err != nil {
				return usage(cmd, err)
			}
			if opts.Changes, err = container.ParseChanges(changes...); err != nil {
				return usage(cmd, err)
			}
			if names[0] == "-" && isTerminal(a.in) {
				return usage(cmd, errors.New("no archive on standard input: name one, or pipe it in"))
			}
			if opts.Message == "" {
				opts.Message = "Imported from " + names[0]
			}
			return a.importFrom(cmd.Context(), names[0], opts)
		},
	}
	cmd.Flags().StringVarP(&opts.Message, "message", "m", "", "comment of the image")
	cmd.Flags().StringArrayVarP(&changes, "change", "c", nil, "Dockerfile instruction that changes how containers start, as for layer commit")
	cmd.Flags().StringVar(&platform, "platform", "", "what it is for: OS/ARCHITECTURE[/VARIANT] (default: this machine)")
	limitFlags(cmd.Flags())
	return cmd
}

// importFrom reads a pipe to its end before the root is locked.
func (a *app) importFrom(ctx context.Context, path string, opts container.ImportOptions) (err error) {
	if _, err := a.drivers(false).choose(ctx, list); err != nil {
		return err
	}
	boundMemory()
	from := input.Options{TempDir: a.cfg.TempDir, Limits: input.Limits{Spool: int64(a.cfg.Limits.Spool), Window: int64(a.cfg.Limits.Window)}}
	var tar io.ReadCloser
	if path == "-" {
		tar, err = input.ReadSingle(ctx, a.in, from)
	} else {
		tar, err = input.OpenSingle(ctx, path, from)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tar.Close()) }()
	opts.Entries = a.cfg.Limits.Entries
	return a.with(ctx, write, func(o *opened) error {
		bounded := &atMost{r: tar, left: int64(a.cfg.Limits.Layer), of: int64(a.cfg.Limits.Layer)}
		id, err := container.Import(ctx, o.forContainers(), bounded, opts)
		if err == nil {
			fmt.Fprintln(a.out, id)
		}
		return err
	})
}

// atMost fails when more comes than may.
type atMost struct {
	r        io.Reader
	left, of int64
}

func (r *atMost) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, fmt.Errorf("%w: it has more than %d bytes decompressed; raise limits.layer to store it", input.ErrRefused, r.of)
	}
	return n, err
}
