package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/image"
)

func (a *app) imageTag() *cobra.Command {
	return &cobra.Command{
		Use:   "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
		Short: "Give an image a further name",
		Args:  args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, n []string) error {
			return a.with(cmd.Context(), names, func(o *opened) error {
				id, err := o.Images.Resolve(n[0])
				if err != nil {
					return err
				}
				_, err = o.Images.Tag(cmd.Context(), id, n[1])
				return err
			})
		},
	}
}

func (a *app) imageRemove() *cobra.Command {
	var opts image.RemoveOptions
	cmd := &cobra.Command{
		Use:     "rm IMAGE [IMAGE...]",
		Aliases: []string{"rmi", "remove"},
		Short:   "Remove names, and images that have none left",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, images []string) error {
			return a.with(cmd.Context(), remove, func(o *opened) error {
				var errs []error
				failed := false
				for _, name := range images {
					done, err := o.Images.Remove(cmd.Context(), name, opts)
					errs = append(errs, err)
					// With force, nothing there to remove is told and no failure.
					failed = failed || err != nil && !(opts.Force && errors.Is(err, image.ErrNotFound))
					for _, r := range done {
						fmt.Fprintln(a.out, r)
					}
				}
				if !failed {
					report(cmd.Context(), a.err, errors.Join(errs...))
					return nil
				}
				return errors.Join(errs...)
			})
		},
	}
	cmd.Flags().BoolVarP(&opts.Force, "force", "f", false, "remove an image that several repositories name, or that a stopped container uses; one that is not there is no failure")
	cmd.Flags().BoolVar(&opts.NoPrune, "no-prune", false, "keep unnamed parents")
	return cmd
}

func (a *app) imageVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [IMAGE...]",
		Short: "Read images again and compare them with their digests (all images without arguments)",
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.with(cmd.Context(), read, func(o *opened) error {
				ids, err := resolveAll(o.Images, names)
				if err != nil {
					return err
				}
				done := map[string]error{}
				var errs []error
				for _, id := range ids {
					err := o.Images.Verify(cmd.Context(), id, done)
					if err := cmd.Context().Err(); err != nil {
						return err
					}
					errs = append(errs, err)
					a.verdict(id.String(), err)
				}
				return errors.Join(errs...)
			})
		},
	}
}

// verdict writes what came of verifying one thing; why it is bad is told at
// the end.
func (a *app) verdict(id string, err error) {
	result := "ok"
	if err != nil {
		result = "FAILED"
	}
	fmt.Fprintf(a.out, "%s: %s\n", id, result)
}

// resolveAll finds images by name, or lists all without names.
func resolveAll(images *image.Store, names []string) ([]image.ID, error) {
	if len(names) == 0 {
		return images.IDs(), nil
	}
	var ids []image.ID
	for _, name := range names {
		id, err := images.Resolve(name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
