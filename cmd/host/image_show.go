package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
)

func (a *app) imageInspect() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "inspect IMAGE [IMAGE...]",
		Short: "Show all that is known of images",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, images []string) error {
			return a.with(cmd.Context(), list, func(o *opened) error {
				return a.inspect(format, images, func(name string) (any, error) {
					id, err := o.Images.Resolve(name)
					if err != nil {
						return nil, err
					}
					return o.Images.Inspect(cmd.Context(), id)
				})
			})
		},
	}
	inspectFlag(cmd, &format)
	return cmd
}

func inspectFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVarP(format, "format", "f", "", `"json" or a template, instead of indented JSON`)
}

// inspect shows what is found of each name, and then what is not.
func (a *app) inspect(format string, names []string, find func(name string) (any, error)) error {
	found := []any{}
	var errs []error
	for _, name := range names {
		v, err := find(name)
		if err == nil {
			found = append(found, v)
		}
		errs = append(errs, err)
	}
	var err error
	switch {
	case format == "":
		err = render.JSON(a.out, found)
	case len(found) == 0:
		_, err = fmt.Fprintln(a.out) // as Docker does, before it tells of errors
	default:
		err = render.Each(a.out, format, found)
	}
	return errors.Join(append(errs, err)...)
}
