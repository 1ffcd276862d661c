package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/filter"
)

func (a *app) imageList() *cobra.Command {
	var opts image.ListOptions
	var conditions []string
	var shape imageShape
	cmd := &cobra.Command{
		Use:     "ls [REPOSITORY[:TAG]]",
		Aliases: []string{"list"},
		Short:   "List images",
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, patterns []string) (err error) {
			if opts.Filters, err = filter.Parse(conditions...); err != nil {
				return usage(cmd, err)
			}
			if len(patterns) > 0 && patterns[0] != "" {
				if err := opts.Filters.Add(filter.Reference, patterns[0]); err != nil {
					return usage(cmd, err)
				}
			}
			if wanted := opts.Filters.Values(filter.Driver); len(wanted) == 1 && a.cfg.Driver == "" {
				a.cfg.Driver = wanted[0] // of several beneath the root
			}
			opts.Usage = shape.usage
			return a.with(cmd.Context(), sizes, func(o *opened) error {
				images, err := o.Images.List(cmd.Context(), opts)
				if err != nil {
					return err
				}
				if len(images) == 0 && len(conditions)+len(patterns) == 0 {
					a.hintContainerd(cmd.Context(), o.driverName)
				}
				return errors.Join(shape.write(a.out, images, time.Now()), image.Damage(images))
			})
		},
	}
	cmd.Flags().BoolVarP(&opts.All, "all", "a", false, "show also unnamed images that others were built on")
	cmd.Flags().StringArrayVarP(&conditions, "filter", "f", nil,
		"show images of which KEY=VALUE holds: dangling, label, before, since, reference, until, size (also size>100MB), layer, driver")
	cmd.Flags().BoolVarP(&shape.quiet, "quiet", "q", false, "show only IDs")
	cmd.Flags().BoolVar(&shape.digests, "digests", false, "show digests")
	cmd.Flags().BoolVar(&shape.full, "no-trunc", false, "do not shorten IDs")
	cmd.Flags().BoolVar(&shape.usage, "usage", false, "count containers, and what images share with others in the list")
	formatFlag(cmd, &shape.format)
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
