package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine/process"
)

func (a *app) driverCommand() *cobra.Command {
	return group(&cobra.Command{Use: "driver", Short: "Graph drivers: list, inspect, sign, verify"},
		a.driverList(), a.driverInspect(), a.driverKeygen(), a.driverSign(), a.driverVerify())
}

// driverView is what inspect shows of a driver.
type driverView struct {
	Name      string
	Source    string // "embedded", or the module's file
	Isolation string
	// LocksMissing are those of the driver's process that this machine lacks.
	LocksMissing []string
	Size         int
	SHA256       string
	// Trust says what proves the module, or why it is not run.
	Trust string
	// Limits are those that hold, by their keys.
	Limits map[string]string
	Module *moduleView `json:",omitempty"`
}

// moduleView is what a module says of itself, and what it is given.
type moduleView struct {
	Name          string
	Version       string
	DiskFormat    uint32
	Capabilities  graphdriver.Capabilities
	Methods       []string
	GrantsAsked   []string
	GrantsGiven   []string
	GrantsMissing []string
}

// view tells of a driver what needs no compiling.
func (d *drivers) view(name string) (*driverView, error) {
	wasm, err := d.wasm(name)
	if err != nil {
		return nil, err
	}
	v := &driverView{Name: name, Source: "embedded", Isolation: string(d.isolation(name)), LocksMissing: []string{}, Size: len(wasm), SHA256: fmt.Sprintf("%x", sha256.Sum256(wasm))}
	if !d.embedded(name) {
		v.Source = d.cfg.Drivers[name].Path
	}
	v.Trust = d.trust(name, wasm)
	v.Limits = make(map[string]string)
	for _, l := range d.limits(name) {
		v.Limits[l.key] = l.value
	}
	if d.isolation(name) == host.Process {
		v.LocksMissing = append(v.LocksMissing, process.Missing()...)
	}
	return v, nil
}

func (a *app) driverList() *cobra.Command {
	var full, quiet bool
	var format string
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List drivers that ship with bulkhead and those that are configured",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			d := a.drivers(true)
			var rows []render.Row
			var errs []error
			for _, name := range d.known() {
				v, err := d.view(name)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				rows = append(rows, render.Row{
					"Name": v.Name, "Source": v.Source, "Isolation": v.Isolation, "Trust": v.Trust, "Size": render.Size(int64(v.Size)),
					"Bytes": strconv.Itoa(v.Size), "SHA256": shortID(v.SHA256, full),
				})
			}
			var err error
			if quiet {
				err = a.column(rows, "Name")
			} else {
				err = driverTable().Write(a.out, format, rows)
			}
			return errors.Join(append(errs, err)...)
		},
	}
	cmd.Flags().BoolVar(&full, "no-trunc", false, "do not shorten digests")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show only names")
	formatFlag(cmd, &format)
	return cmd
}

func driverTable() render.Table {
	return render.Table{
		Fields: []string{"Name", "Source", "Isolation", "Size", "SHA256"},
		Headers: map[string]string{
			"Name": "NAME", "Source": "SOURCE", "Isolation": "ISOLATION", "Trust": "TRUST", "Size": "SIZE", "Bytes": "BYTES", "SHA256": "SHA256",
		},
	}
}

func (a *app) driverInspect() *cobra.Command {
	var format string
	var explain bool
	cmd := &cobra.Command{
		Use:   "inspect DRIVER [DRIVER...]",
		Short: "Show what drivers are, can do, and are allowed",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if explain && format != "" {
				return usage(cmd, errors.New("--explain is text, and has no --format"))
			}
			d := a.drivers(true)
			defer func() { err = errors.Join(err, d.Close(cmd.Context())) }()
			if explain {
				return d.explainAll(cmd.Context(), names)
			}
			return a.inspect(format, names, func(name string) (any, error) { return d.describe(cmd.Context(), name) })
		},
	}
	inspectFlag(cmd, &format)
	cmd.Flags().BoolVar(&explain, "explain", false, "say in words what the drivers can do, and could if they were given all that they ask for")
	return cmd
}

func (d *drivers) explainAll(ctx context.Context, names []string) error {
	var errs []error
	for i, name := range names {
		v, err := d.describe(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if i > 0 {
			fmt.Fprintln(d.out)
		}
		d.explain(d.out, v)
	}
	return errors.Join(errs...)
}
