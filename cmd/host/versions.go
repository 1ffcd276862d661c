package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/cmd/host/render"
)

// versionView is what the program says of itself.
type versionView struct {
	Version string
	Commit  string
	Go      string
	OS      string
	Arch    string
}

func (a *app) versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:         "version",
		Short:       "Show the version",
		Args:        args(cobra.NoArgs),
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(*cobra.Command, []string) error {
			v := versionView{Version: version, Commit: "unknown", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Commit = s.Value
					}
				}
			}
			if format != "" {
				return render.Each(a.out, format, []any{v})
			}
			_, err := fmt.Fprintf(a.out, "bulkhead %s (commit %s, %s, %s/%s)\n", v.Version, v.Commit, v.Go, v.OS, v.Arch)
			return err
		},
	}
	inspectFlag(cmd, &format)
	return cmd
}
