package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bulkhead/bulkhead/config"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/input"
)

func (a *app) imageLoad() *cobra.Command {
	var from, platform string
	var quiet, verbose bool
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Load images from a tar archive (docker save or OCI, compressed or not) or an OCI directory",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			want, err := platformFlag(platform)
			if err != nil {
				return usage(cmd, err)
			}
			if from == "" && isTerminal(a.in) {
				return usage(cmd, errors.New("no archive on standard input: name one with -i, or pipe it in"))
			}
			// What can be told now is told before the archive is read; but the
			// root is not locked while a pipe is waited for.
			if _, err := a.drivers(false).choose(cmd.Context(), list); err != nil {
				return err
			}
			boundMemory()
			in, err := a.openArchive(ctx, from)
			if err != nil {
				return err
			}
			err = a.with(ctx, write, func(o *opened) error {
				bars := a.progress(quiet, verbose)
				loaded, err := archive.Load(ctx, o.Stores, in, archive.LoadOptions{
					Progress: bars, Limits: a.archiveLimits(), Platform: want, Exact: want != nil,
					Blobs: blobs.Of(a.cfg.Root), Keep: a.cfg.KeepBlobs,
				})
				bars.Close()
				if err != nil {
					return err
				}
				a.showLoaded(loaded)
				return nil
			})
			return errors.Join(err, in.Close())
		},
	}
	cmd.Flags().StringVarP(&from, "input", "i", "", "read from this file or directory instead of standard input")
	cmd.Flags().StringVar(&platform, "platform", "", "take the image for OS/ARCHITECTURE[/VARIANT] where there are several (default: this machine's)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell of each layer where there is no terminal")
	limitFlags(cmd.Flags())
	return cmd
}

// archiveLimits are those of the configuration.
func (a *app) archiveLimits() archive.Limits {
	return archive.Limits{
		Layer: int64(a.cfg.Limits.Layer), Total: int64(a.cfg.Limits.Load),
		Entries: a.cfg.Limits.Entries, Window: int64(a.cfg.Limits.Window),
	}
}

// memoryLimit is GOMEMLIMIT of a load, unless that is set: from there on garbage
// is collected often, so that what an archive makes us hold is not held five
// times. Other commands hold drivers' memory above all, which is no garbage.
const memoryLimit = 96 << 20

func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// limitFlags are the limits of the configuration, for one load.
func limitFlags(flags *pflag.FlagSet) {
	is := config.Default().Limits
	flags.Var(&sizeFlag{is.Layer}, "limits-layer", "largest layer, decompressed")
	flags.Var(&sizeFlag{is.Load}, "limits-load", "all layers of the archive, decompressed")
	flags.Var(&sizeFlag{is.Spool}, "limits-spool", "largest archive from a pipe, or compressed as a whole")
	flags.Int64("limits-entries", is.Entries, "most entries of a layer")
	flags.Var(&sizeFlag{is.Window}, "limits-window", "largest window of zstd, which is held in memory")
}

// sizeFlag is a size on the command line.
type sizeFlag struct{ config.Size }

func (s *sizeFlag) Set(text string) error { return s.UnmarshalText([]byte(text)) }

func (*sizeFlag) Type() string { return "size" }

// openArchive opens the archive at path, or on standard input.
func (a *app) openArchive(ctx context.Context, path string) (input.Archive, error) {
	opts := input.Options{TempDir: a.cfg.TempDir, Limits: input.Limits{Spool: int64(a.cfg.Limits.Spool), Window: int64(a.cfg.Limits.Window)}}
	if path == "" || path == "-" {
		return input.Read(ctx, a.in, opts)
	}
	return input.Open(ctx, path, opts)
}

func (a *app) showLoaded(loaded []archive.Loaded) {
	for _, l := range loaded {
		for _, m := range l.Moved {
			fmt.Fprintf(a.out, "The image %s already existed; image %s has lost that name\n", m.Name, m.From)
		}
		for _, name := range l.Names {
			fmt.Fprintf(a.out, "Loaded image: %s\n", name)
		}
		if len(l.Names) == 0 {
			fmt.Fprintf(a.out, "Loaded image ID: %s\n", l.ID)
		}
	}
}

// isTerminal tells whether a stream is one that a person types on or reads.
func isTerminal(stream any) bool {
	if c, ok := stream.(*checked); ok {
		stream = c.Writer
	}
	f, ok := stream.(*os.File)
	return ok && terminal(f)
}
