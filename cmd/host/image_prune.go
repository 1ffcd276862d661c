package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/filter"
)

func (a *app) imagePrune() *cobra.Command {
	var opts image.PruneOptions
	var conditions []string
	var force bool
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove images that nothing uses: unnamed ones, or with --all those that no container was made of",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Filters, err = filter.Parse(conditions...); err != nil {
				return usage(cmd, err)
			}
			if !force && !a.confirmed(opts.All) {
				return nil
			}
			return a.with(cmd.Context(), remove, func(o *opened) error {
				done, err := o.Images.Prune(cmd.Context(), opts)
				if len(done.Removed) > 0 {
					fmt.Fprintln(a.out, "Deleted Images:")
				}
				for _, r := range done.Removed {
					fmt.Fprintln(a.out, strings.Replace(strings.Replace(r.String(), "Untagged:", "untagged:", 1), "Deleted:", "deleted:", 1))
				}
				if len(done.Removed) > 0 {
					fmt.Fprintln(a.out)
				}
				fmt.Fprintf(a.out, "Total reclaimed space: %s\n", render.Size(done.Reclaimed))
				return err
			})
		},
	}
	cmd.Flags().BoolVarP(&opts.All, "all", "a", false, "remove named images too, if no container was made of them")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&conditions, "filter", nil, "remove only images of which KEY=VALUE holds, as with image ls")
	return cmd
}

// confirmed asks as Docker does.
func (a *app) confirmed(all bool) bool {
	what := "all dangling images"
	if all {
		what = "all images without at least one container associated to them"
	}
	fmt.Fprintf(a.out, "WARNING! This will remove %s.\nAre you sure you want to continue? [y/N] ", what)
	answer, _ := bufio.NewReader(a.in).ReadString('\n') // nothing is no
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
