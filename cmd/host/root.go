package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/config"
)

// app is one run of the program.
type app struct {
	environment
	configFile string
	cfg        *config.Loaded
	log        *zap.Logger
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "bulkhead",
		Short:         "Store container images with sandboxed graph drivers",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.configure(cmd)
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration file (default: config.yaml, .toml or .json in "+config.Dir+")")
	flags.String("root", "", "directory of images and layers (default: "+config.Default().Root+")")
	flags.String("driver", "", "graph driver (default: the one that the root was written with)")
	flags.String("log-level", "warn", "debug, info, warn or error")
	flags.String("log-format", "text", "text or json")
	flags.Duration("lock-timeout", 30*time.Second, "how long to wait for another process that uses the root")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	root.SetVersionTemplate("bulkhead {{.Version}}\n")
	root.SetHelpCommand(helpCommand(root))
	group(root,
		a.imageCommand(), a.layerCommand(), a.mountCommand(), a.umountCommand(), a.checkCommand(), a.dfCommand(), a.gcCommand(), a.convertCommand(), a.migrateCommand(), a.driverCommand(), a.configCommand(), a.versionCommand())
	return root
}

// helpCommand is cobra's, but for saying so when there is no such command.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND]",
		Short:       "Help about any command",
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(_ *cobra.Command, args []string) error {
			about, left, err := root.Find(args)
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("unknown command %q for %q", left[0], about.CommandPath())
			}
			if err != nil {
				return usage(root, err)
			}
			return about.Help()
		},
	}
}

// group makes cmd a command that only has commands beneath it.
func group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(subs...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			err = fmt.Errorf("%w, did you mean %q?", err, near[0])
		}
		return usage(cmd, err)
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	return cmd
}

// args makes what cobra says of arguments a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return usage(cmd, check(cmd, args)) }
}

// configure reads the configuration, before any command but those that are
// about it.
func (a *app) configure(cmd *cobra.Command) error {
	if cmd.Annotations[withoutConfig] != "" {
		return nil
	}
	var err error
	a.cfg, err = config.Load(config.Sources{File: a.configFile, Flags: cmd.Flags()})
	var value *config.ValueError
	if errors.As(err, &value) && cmd.Flags().Changed(strings.ReplaceAll(value.Key, ".", "-")) {
		return usage(cmd, err)
	}
	if err == nil {
		err = checkDrivers(a.cfg)
	}
	if err != nil {
		return err
	}
	a.log, err = newLog(a.err, a.cfg.LogLevel, a.cfg.LogFormat)
	return err
}

// withoutConfig marks commands that work whatever the configuration is.
const withoutConfig = "without-config"
