package main

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
)

func (a *app) imageHistory() *cobra.Command {
	var shape historyShape
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
				return shape.write(a.out, steps, time.Now())
			})
		},
	}
	cmd.Flags().BoolVarP(&shape.human, "human", "H", true, "sizes and times for people")
	cmd.Flags().BoolVar(&shape.full, "no-trunc", false, "do not shorten")
	cmd.Flags().BoolVarP(&shape.quiet, "quiet", "q", false, "show only IDs")
	formatFlag(cmd, &shape.format)
	return cmd
}

// historyShape is how the steps of an image are to look.
type historyShape struct {
	format             string
	human, full, quiet bool
}

// missing stands for the ID of a step whose image is not known.
const missing = "<missing>"

func (s historyShape) write(w io.Writer, steps []image.HistoryStep, now time.Time) error {
	rows := make([]render.Row, 0, len(steps))
	for _, step := range steps {
		rows = append(rows, s.row(step, now))
	}
	table := render.Table{
		Headers: map[string]string{
			"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
		},
	}
	return table.Write(w, s.template(), rows)
}

// template is the format in full, as Docker has it.
func (s historyShape) template() string {
	switch {
	case s.format != "" && s.format != "table":
		return s.format
	case s.quiet:
		return "{{.ID}}"
	case s.human:
		return "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
	}
	return "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
}

func (s historyShape) row(step image.HistoryStep, now time.Time) render.Row {
	at := time.Unix(step.Created.Unix(), 0).Format(time.RFC3339)
	row := render.Row{
		"ID": missing, "CreatedBy": strings.ReplaceAll(step.CreatedBy, "\t", " "), "Comment": step.Comment,
		"CreatedAt": at, "CreatedSince": at, "Size": strconv.FormatInt(step.Size, 10),
	}
	if step.ID != "" {
		row["ID"] = shortID(step.ID.String(), s.full)
	}
	if !s.full {
		row["CreatedBy"] = render.Ellipsis(row["CreatedBy"], 45)
	}
	if s.human {
		row["CreatedSince"], row["Size"] = render.Ago(step.Created, now), render.Size(step.Size)
	}
	return row
}
