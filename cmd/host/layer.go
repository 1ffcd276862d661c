package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/layer"
)

func (a *app) layerCommand() *cobra.Command {
	return group(&cobra.Command{Use: "layer", Short: "Layers: list, inspect, export, verify; make, commit and remove containers' layers"},
		a.layerList(), a.layerInspect(), a.layerDiff(), a.layerExport(), a.layerVerify(), a.layerCreate(), a.layerChanges(), a.layerCommit(), a.layerRemove())
}

func (a *app) layerList() *cobra.Command {
	var full, quiet, containers bool
	var format string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List layers, parents before children, or containers' layers with --rw",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if containers {
				return a.listContainers(cmd.Context(), format, full, quiet)
			}
			return a.with(cmd.Context(), list, func(o *opened) error {
				var rows []render.Row
				for _, l := range sortedLayers(o.Layers) {
					rows = append(rows, layerRow(l, full))
				}
				var err error
				if quiet {
					err = a.column(rows, "ChainID")
				} else {
					err = layerTable().Write(a.out, format, rows)
				}
				return errors.Join(append([]error{err}, o.Layers.Broken()...)...)
			})
		},
	}
	cmd.Flags().BoolVar(&full, "no-trunc", false, "do not shorten IDs")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show only chain IDs, or names with --rw")
	cmd.Flags().BoolVar(&containers, "rw", false, "list containers' layers, which can be written to")
	formatFlag(cmd, &format)
	return cmd
}

func layerTable() render.Table {
	return render.Table{
		Fields: []string{"ChainID", "DiffID", "Parent", "Depth", "DiffSize", "Size"},
		Headers: map[string]string{
			"ChainID": "CHAIN ID", "DiffID": "DIFF ID", "Parent": "PARENT", "Depth": "DEPTH", "DiffSize": "SIZE", "Size": "TOTAL SIZE", "CacheID": "CACHE ID",
			"DiffSizeBytes": "SIZE BYTES", "SizeBytes": "TOTAL BYTES",
		},
	}
}

func layerRow(l layer.Layer, full bool) render.Row {
	row := render.Row{
		"ChainID": shortID(l.ChainID().String(), full), "DiffID": shortID(l.DiffID().String(), full), "Parent": "",
		"Depth": strconv.Itoa(l.Depth()), "DiffSize": render.Size(l.DiffSize()), "Size": render.Size(l.Size()), "CacheID": l.CacheID(),
		"DiffSizeBytes": strconv.FormatInt(l.DiffSize(), 10), "SizeBytes": strconv.FormatInt(l.Size(), 10),
	}
	if p := l.Parent(); p != nil {
		row["Parent"] = shortID(p.ChainID().String(), full)
	}
	return row
}

func sortedLayers(s *layer.Store) []layer.Layer {
	return slices.SortedFunc(maps.Values(s.Map()), func(a, b layer.Layer) int {
		return cmp.Or(cmp.Compare(a.Depth(), b.Depth()), cmp.Compare(a.ChainID(), b.ChainID()))
	})
}

// findLayer finds the one layer whose chain ID, or else whose diff ID, begins
// as a person wrote it.
func findLayer(s *layer.Store, prefix string) (layer.ChainID, error) {
	hex := strings.TrimPrefix(prefix, "sha256:")
	for _, id := range []func(layer.Layer) string{
		func(l layer.Layer) string { return l.ChainID().String() },
		func(l layer.Layer) string { return l.DiffID().String() },
	} {
		var found []layer.ChainID
		for chain, l := range s.Map() {
			if hex != "" && strings.HasPrefix(strings.TrimPrefix(id(l), "sha256:"), hex) {
				found = append(found, chain)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return "", fmt.Errorf("%d layers have an ID that begins with %s: write more of it", len(found), prefix)
		}
	}
	return "", fmt.Errorf("%w: %s", layer.ErrNotFound, prefix)
}

// layerView is what inspect shows of a layer.
type layerView struct {
	ChainID  string
	DiffID   string
	Parent   string
	Depth    int
	DiffSize int64
	Size     int64
	CacheID  string
	Driver   string
}

// containerView is what inspect shows of a container's layer.
type containerView struct {
	Name    string
	Image   string // of which it was made, "" if of none
	Parent  string
	MountID string
	InitID  string
	Driver  string
}

func viewContainer(o *opened, l layer.RWLayer) (any, error) {
	view := containerView{Name: l.Name(), MountID: l.MountID(), InitID: l.InitID(), Driver: o.driverName}
	if p := l.Parent(); p != nil {
		view.Parent = p.ChainID().String()
	}
	id, err := o.Images.ContainerImage(l.Name())
	view.Image = id.String()
	return view, err
}

func (a *app) layerInspect() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "inspect LAYER|NAME...",
		Short: "Show all that is known of layers, named by chain ID or diff ID, and of containers' layers",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.with(cmd.Context(), list, func(o *opened) error {
				return a.inspect(format, ids, func(id string) (any, error) {
					if rw := findContainer(o.Layers, id); rw != nil {
						return viewContainer(o, rw)
					}
					chain, err := findLayer(o.Layers, id)
					if err != nil {
						return nil, err
					}
					l := o.Layers.Map()[chain]
					view := layerView{
						ChainID: l.ChainID().String(), DiffID: l.DiffID().String(), Depth: l.Depth(), DiffSize: l.DiffSize(),
						Size: l.Size(), CacheID: l.CacheID(), Driver: o.driverName,
					}
					if p := l.Parent(); p != nil {
						view.Parent = p.ChainID().String()
					}
					return view, nil
				})
			})
		},
	}
	inspectFlag(cmd, &format)
	return cmd
}
