package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image/container"
	"github.com/bulkhead/bulkhead/image/refs"
)

func (a *app) layerCommit() *cobra.Command {
	var opts container.CommitOptions
	var changes []string
	cmd := &cobra.Command{
		Use:   "commit [-t NAME] CONTAINER",
		Short: "Make an image of a container's layer",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if opts.Name != "" {
				if _, err := refs.ParseTag(opts.Name); err != nil {
					return usage(cmd, err)
				}
			}
			if opts.Changes, err = container.ParseChanges(changes...); err != nil {
				return usage(cmd, err)
			}
			return a.with(cmd.Context(), write, func(o *opened) error {
				id, err := container.Commit(cmd.Context(), o.forContainers(), names[0], opts)
				if err == nil {
					fmt.Fprintln(a.out, id)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&opts.Comment, "message", "m", "", "what was done, for the history")
	cmd.Flags().StringVarP(&opts.Author, "author", "a", "", "who did it")
	cmd.Flags().StringArrayVarP(&changes, "change", "c", nil,
		"Dockerfile instruction that changes how containers start: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR")
	cmd.Flags().StringVarP(&opts.Name, "tag", "t", "", "name of the new image")
	return cmd
}
