package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/bulkhead/bulkhead/config"
	"github.com/bulkhead/bulkhead/host"
)

// explain says in words what a driver can do, and what it could if it were
// given all that it asks for.
func (d *drivers) explain(w io.Writer, v *driverView) {
	m := v.Module
	fmt.Fprintf(w, "%s is %s %s (%s, sha256 %s), isolation: %s.\n", v.Name, m.Name, m.Version, v.Source, shortID(v.SHA256, false), v.Isolation)
	fmt.Fprintf(w, "What proves it: %s.\n", v.Trust)
	fmt.Fprint(w, "\nAs any driver it can:\n")
	for _, s := range []string{
		"read all that lies in its own directory, and write there, but to no layer that is committed (that one it can only remove, when it is told to)",
		"say where the files of an archive go beneath its directory, and which of its directories make up a layer: the host makes, reads and mounts them, and holds both against what it recorded",
		"keep an operation waiting, or make it fail, up to its limits; lose or garble what lies in its directory, which verify finds",
	} {
		fmt.Fprintf(w, "  - %s\n", s)
	}
	fmt.Fprint(w, "It cannot, whatever it is given: see or change anything outside its directory, open devices, connect anywhere, start programs,\nread the environment, or pass off a layer as another without verify and every export saying so.\n")

	explainGrants(w, "Asked for and given", m.GrantsAsked, func(g string) bool { return slices.Contains(m.GrantsGiven, g) })
	explainGrants(w, "Asked for and not given; with these it could besides", m.GrantsMissing, nil)
	explainGrants(w, "Given and not asked for: take them away", m.GrantsGiven, func(g string) bool { return !slices.Contains(m.GrantsAsked, g) })
	if len(m.GrantsAsked)+len(m.GrantsGiven) == 0 {
		fmt.Fprint(w, "\nIt asks for no grant and has none.\n")
	}
	d.explainLimits(w, v.Name)
}

func explainGrants(w io.Writer, title string, grants []string, only func(string) bool) {
	shown := false
	for _, g := range grants {
		if only != nil && !only(g) {
			continue
		}
		if !shown {
			fmt.Fprintf(w, "\n%s:\n", title)
			shown = true
		}
		fmt.Fprintf(w, "  - %s: %s\n", g, host.ExplainGrant(g))
	}
}

func (d *drivers) explainLimits(w io.Writer, name string) {
	fmt.Fprintf(w, "\nIts limits (drivers.%s.limits):\n", name)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range d.limits(name) {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", l.key, l.value, l.of)
	}
	_ = t.Flush() // what w could not take it remembers itself
}

// limitRow is one limit of a driver: its key, its value as the configuration
// would have it, and what it bounds.
type limitRow struct{ key, value, of string }

func (d *drivers) limits(name string) []limitRow {
	settings := d.cfg.Drivers[name].Limits
	c, e := callLimits(settings).Fill(), moduleLimits(settings).Fill()
	return []limitRow{
		{"deadline", c.Deadline.String(), "of a call's own work"},
		{"stream-idle", c.Idle.String(), "of one wait for the other end of a stream"},
		{"compile", e.Compile.String(), "of compiling it, or loading its code, in a process"},
		{"memory", config.Size(int64(e.MemoryPages) << 16).String(), "of one instance"},
		{"memory-budget", config.Size(e.MemoryBudget).String(), "of all instances"},
		{"log", config.Size(c.Log).String(), "written to the log by one call"},
		{"output", config.Size(c.Output).String(), "of names told by one call"},
		{"open-files", strconv.Itoa(c.OpenFiles), "held open by one call"},
	}
}
