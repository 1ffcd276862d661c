package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) dfCommand() *cobra.Command {
	var verbose, full bool
	var format string
	cmd := &cobra.Command{
		Use:   "df",
		Short: "Show what images and containers take up, each layer counted once",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), read, func(o *opened) error {
				if verbose {
					return a.dfImages(cmd, o, format, full)
				}
				return a.df(cmd, o, format)
			})
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show each image, what it shares with others and what it has for itself")
	cmd.Flags().BoolVar(&full, "no-trunc", false, "do not shorten IDs")
	formatFlag(cmd, &format)
	return cmd
}

func (a *app) df(cmd *cobra.Command, o *opened, format string) error {
	u, err := o.Images.DiskUsage(cmd.Context())
	if err != nil {
		return err
	}
	containers, size, err := a.dfContainers(cmd, o.Layers)
	if err != nil {
		return err
	}
	row := func(kind string, total, active int, size, reclaimable int64) render.Row {
		share := ""
		if size > 0 {
			share = fmt.Sprintf(" (%d%%)", reclaimable*100/size)
		}
		return render.Row{
			"Type": kind, "TotalCount": strconv.Itoa(total), "Active": strconv.Itoa(active), "Size": render.Size(size),
			"Reclaimable": render.Size(reclaimable) + share, "Bytes": strconv.FormatInt(size, 10), "ReclaimableBytes": strconv.FormatInt(reclaimable, 10),
		}
	}
	return render.Table{
		Fields: []string{"Type", "TotalCount", "Active", "Size", "Reclaimable"},
		Headers: map[string]string{
			"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE", "Bytes": "BYTES", "ReclaimableBytes": "RECLAIMABLE BYTES",
		},
	}.Write(a.out, format, []render.Row{
		row("Images", len(u.Images), u.Active, u.Layers-u.Unused, u.Reclaimable),
		row("Containers", containers, containers, size, 0),
		row("Unused layers", u.UnusedCount, 0, u.Unused, u.Unused),
	})
}

// dfContainers counts what containers have written.
func (a *app) dfContainers(cmd *cobra.Command, layers *layer.Store) (n int, size int64, err error) {
	for _, rw := range layers.RWLayers() {
		one, err := rw.Size(cmd.Context())
		if err != nil {
			return n, size, fmt.Errorf("container's layer %q: %w", rw.Name(), err)
		}
		n++
		size += one
	}
	return n, size, nil
}

func (a *app) dfImages(cmd *cobra.Command, o *opened, format string, full bool) error {
	u, err := o.Images.DiskUsage(cmd.Context())
	if err != nil {
		return err
	}
	var rows []render.Row
	for _, img := range u.Images {
		rows = append(rows, render.Row{
			"ID": shortID(img.ID.String(), full), "Names": strings.Join(img.Names, ", "), "Size": render.Size(img.Size), "Shared": render.Size(img.Shared),
			"Unique": render.Size(img.Unique), "Containers": strconv.Itoa(img.Containers),
			"SizeBytes": strconv.FormatInt(img.Size, 10), "SharedBytes": strconv.FormatInt(img.Shared, 10), "UniqueBytes": strconv.FormatInt(img.Unique, 10),
		})
	}
	return render.Table{
		Fields: []string{"ID", "Names", "Size", "Shared", "Unique", "Containers"},
		Headers: map[string]string{
			"ID": "IMAGE ID", "Names": "NAMES", "Size": "SIZE", "Shared": "SHARED SIZE", "Unique": "UNIQUE SIZE", "Containers": "CONTAINERS",
			"SizeBytes": "SIZE BYTES", "SharedBytes": "SHARED BYTES", "UniqueBytes": "UNIQUE BYTES",
		},
	}.Write(a.out, format, rows)
}
