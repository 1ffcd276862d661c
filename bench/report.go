package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// result is a measurement with its figures.
type result struct {
	Name   string    `json:"name"`
	About  string    `json:"about"`
	Series []*series `json:"variants"`
	Goals  []verdict `json:"goals,omitempty"`
	goals  []goal
}

// series are the runs of one variant. Ratios are to the first variant's.
type series struct {
	Variant   string  `json:"variant"`
	Skipped   string  `json:"skipped,omitempty"`
	Wall      figures `json:"wall"`
	CPU       figures `json:"cpu"`
	Crossings int64   `json:"crossings"` // -1: no border to cross

	variant *variant
}

type figures struct {
	Runs        []float64 `json:"runs"` // seconds
	Min         float64   `json:"min"`
	Median      float64   `json:"median"`
	MinRatio    float64   `json:"minRatio"`
	MedianRatio float64   `json:"medianRatio"`
}

// verdict is a goal and what came of it.
type verdict struct {
	Of      string  `json:"of"`
	To      string  `json:"to"`
	What    string  `json:"what"`
	Ratio   float64 `json:"ratio"`
	AtMost  float64 `json:"atMost,omitempty"`
	Reached bool    `json:"reached"`
}

func (s *series) add(c cost) {
	s.Wall.Runs = append(s.Wall.Runs, c.Wall.Seconds())
	s.CPU.Runs = append(s.CPU.Runs, c.CPU.Seconds())
	s.Crossings = c.Crossings
}

func (f *figures) finish() {
	if len(f.Runs) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(f.Runs))
	f.Min, f.Median = sorted[0], (sorted[(len(sorted)-1)/2]+sorted[len(sorted)/2])/2
}

func (f *figures) against(base *figures) {
	f.MinRatio, f.MedianRatio = ratio(f.Min, base.Min), ratio(f.Median, base.Median)
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func (r *result) finish() {
	for _, s := range r.Series {
		s.Wall.finish()
		s.CPU.finish()
	}
	for _, s := range r.Series {
		s.Wall.against(&r.Series[0].Wall)
		s.CPU.against(&r.Series[0].CPU)
	}
	for _, g := range r.goals {
		of, to := r.series(g.of), r.series(g.to)
		if of == nil || to == nil {
			continue
		}
		if g.wall != 0 || g.cpu == 0 {
			r.judge(g, "wall", of.Wall.Min/to.Wall.Min, g.wall)
		}
		if g.cpu != 0 || g.wall == 0 {
			r.judge(g, "CPU", of.CPU.Min/to.CPU.Min, g.cpu)
		}
	}
}

func (r *result) judge(g goal, what string, ratio, atMost float64) {
	atMost = max(atMost, 0)
	r.Goals = append(r.Goals, verdict{Of: g.of, To: g.to, What: what, Ratio: ratio, AtMost: atMost, Reached: atMost == 0 || ratio <= atMost})
}

func (r *result) series(name string) *series {
	for _, s := range r.Series {
		if s.Variant == name && len(s.Wall.Runs) > 0 {
			return s
		}
	}
	return nil
}

// print writes the table.
func (r *result) print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s: %s\n", r.Name, r.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "wall min\tratio\tmedian\tratio\tCPU min\tratio\tmedian\tratio\tcrossings\t  variant")
	for _, s := range r.Series {
		if s.Skipped != "" {
			fmt.Fprintf(t, "\t\t\t\t\t\t\t\t\t  %s: left out, %s\n", s.Variant, s.Skipped)
			continue
		}
		crossings := "-"
		if s.Crossings >= 0 {
			crossings = fmt.Sprint(s.Crossings)
		}
		fmt.Fprintf(t, "%s%s%s\t  %s\n", s.Wall.columns(), s.CPU.columns(), crossings, s.Variant)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, g := range r.Goals {
		goal := ""
		if g.AtMost > 0 {
			goal = fmt.Sprintf(", goal %.2f: %s", g.AtMost, map[bool]string{true: "reached", false: "MISSED"}[g.Reached])
		}
		if _, err := fmt.Fprintf(w, "  %s of %q to %q: %.2f%s\n", g.What, g.Of, g.To, g.Ratio, goal); err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) columns() string {
	return fmt.Sprintf("%s\t%.2f\t%s\t%.2f\t", seconds(f.Min), f.MinRatio, seconds(f.Median), f.MedianRatio)
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond / 10).String()
}
