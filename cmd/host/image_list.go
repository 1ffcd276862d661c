package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
)

func (a *app) imageList() *cobra.Command {
	var all, quiet bool
	var format string
	var shape imageShape
	cmd := &cobra.Command{
		Use:     "ls [REPOSITORY[:TAG]]",
		Aliases: []string{"list"},
		Short:   "List images",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, patterns []string) error {
			return a.with(cmd.Context(), list, func(o *opened) error {
				images, err := o.Images.List(cmd.Context(), image.ListOptions{All: all, References: patterns})
				if err != nil {
					return err
				}
				rows := shape.rows(images)
				if quiet {
					err = a.column(rows, "ID")
				} else {
					err = shape.table().Write(a.out, format, rows)
				}
				return errors.Join(err, image.Damage(images))
			})
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show also unnamed images that others were built on")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show only IDs")
	cmd.Flags().BoolVar(&shape.digests, "digests", false, "show digests")
	cmd.Flags().BoolVar(&shape.full, "no-trunc", false, "do not shorten IDs")
	formatFlag(cmd, &format)
	return cmd
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "table", `"table", "json", "table TEMPLATE" or TEMPLATE`)
}

// column writes one field of each row.
func (a *app) column(rows []render.Row, field string) error {
	for _, row := range rows {
		if _, err := fmt.Fprintln(a.out, row[field]); err != nil {
			return err
		}
	}
	return nil
}
