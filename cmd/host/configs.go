package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/config"
)

func (a *app) configCommand() *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Configuration: show, check"},
		a.configShow(), a.configCheck())
}

func (a *app) configShow() *cobra.Command {
	var origin bool
	var format string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the effective configuration",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if origin {
				return a.showOrigins()
			}
			switch format {
			case "yaml":
				text, err := yaml.Marshal(a.cfg.Tree())
				if err == nil {
					_, err = a.out.Write(text)
				}
				return err
			case "json":
				return render.JSON(a.out, a.cfg.Tree())
			}
			return usage(cmd, fmt.Errorf("format %q: use yaml or json", format))
		},
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "show where each value comes from")
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	return cmd
}

func (a *app) showOrigins() error {
	var rows []render.Row
	for _, s := range a.cfg.Settings() {
		value, err := json.Marshal(s.Value)
		if err != nil {
			return err
		}
		rows = append(rows, render.Row{"Key": s.Key, "Value": string(value), "Origin": s.Origin})
	}
	return render.Table{
		Fields:  []string{"Key", "Value", "Origin"},
		Headers: map[string]string{"Key": "KEY", "Value": "VALUE", "Origin": "ORIGIN"},
	}.Write(a.out, "", rows)
}

func (a *app) configCheck() *cobra.Command {
	return &cobra.Command{
		Use:         "check FILE",
		Short:       "Tell whether a configuration file is good",
		Args:        args(cobra.ExactArgs(1)),
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(_ *cobra.Command, files []string) error {
			cfg, err := config.Load(config.Sources{File: files[0], NoEnv: true})
			if err != nil {
				return err
			}
			if err := checkDrivers(cfg); err != nil {
				return fmt.Errorf("%s: %w", files[0], err)
			}
			_, err = fmt.Fprintf(a.out, "%s: ok\n", files[0])
			return err
		},
	}
}
