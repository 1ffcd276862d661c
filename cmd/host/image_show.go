package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
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
	if format == "" {
		err = render.JSON(a.out, found)
	} else {
		err = render.Each(a.out, format, found)
	}
	return errors.Join(append(errs, err)...)
}

func (a *app) imageHistory() *cobra.Command {
	var human, full, quiet bool
	var format string
	cmd := &cobra.Command{
		Use:   "history IMAGE",
		Short: "Show how an image was made",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.with(cmd.Context(), list, func(o *opened) error {
				id, err := o.Images.Resolve(names[0])
				if err != nil {
					return err
				}
				steps, err := o.Images.History(id)
				if err != nil {
					return err
				}
				rows := historyRows(steps, human, full)
				if quiet {
					return a.column(rows, "ID")
				}
				return historyTable().Write(a.out, format, rows)
			})
		},
	}
	cmd.Flags().BoolVarP(&human, "human", "H", true, "sizes and times for people")
	cmd.Flags().BoolVar(&full, "no-trunc", false, "do not shorten")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show only IDs")
	formatFlag(cmd, &format)
	return cmd
}

func historyTable() render.Table {
	return render.Table{
		Fields: []string{"ID", "CreatedSince", "CreatedBy", "Size", "Comment"},
		Headers: map[string]string{
			"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
		},
	}
}

// missing stands for the ID of a step whose image is not known.
const missing = "<missing>"

func historyRows(steps []image.HistoryStep, human, full bool) []render.Row {
	rows := make([]render.Row, 0, len(steps))
	now := time.Now()
	for _, s := range steps {
		row := render.Row{
			"ID": missing, "CreatedBy": strings.ReplaceAll(s.CreatedBy, "\t", " "), "Comment": s.Comment,
			"CreatedAt": s.Created.Format(time.RFC3339), "CreatedSince": s.Created.Format(time.RFC3339), "Size": strconv.FormatInt(s.Size, 10),
		}
		if s.ID != "" {
			row["ID"] = shortID(s.ID.String(), full)
		}
		if !full {
			row["CreatedBy"] = render.Ellipsis(row["CreatedBy"], 45)
		}
		if human {
			row["CreatedSince"], row["Size"] = render.Ago(s.Created, now), render.Size(s.Size)
		}
		rows = append(rows, row)
	}
	return rows
}
