package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
)

// measurement compares variants of one piece of work. The first variant is
// the baseline.
type measurement struct {
	name, about string
	needs       []source
	skip        string // why it cannot be made at all
	// shared, if not nil, fills a file system that all variants of a round
	// then read; otherwise each run gets an empty one of its own.
	shared   func(ctx context.Context, root string) error
	variants []variant
	goals    []goal
}

// source is something to measure with that is made once for all runs.
type source interface {
	// create makes it; image is an OCI archive that may not be there.
	create(image string) error
	// load reads what create noted of it, if it did.
	load() error
}

type variant struct {
	name string
	skip string // why it cannot run
	run  func(ctx context.Context, root string, m *meter) error
}

// goal is what the ratio of the minima of two variants should not exceed. With
// neither of wall and cpu, both ratios are told without a goal.
type goal struct {
	of, to    string
	wall, cpu float64
}

// told is a ratio that is told beside a goal, without one of its own.
const told = -1

// runner runs measurements.
type runner struct {
	fs      *filesystem
	rounds  int
	only    *regexp.Regexp // of variants
	profile string         // where profiles go, "" for none
	log     io.Writer
	// child carries one run out in a process of its own.
	child func(ctx context.Context, j job) (cost, error)
}

// measure runs every variant once a round, in another order each time, so
// that neither what drifts nor what a run leaves behind meets one of them
// only.
func (r *runner) measure(ctx context.Context, ms *measurement) (*result, error) {
	res := &result{Name: ms.name, About: ms.about, goals: ms.goals}
	var runnable []*series
	for i := range ms.variants {
		v := &ms.variants[i]
		if !r.only.MatchString(v.name) {
			continue
		}
		s := &series{Variant: v.name, Skipped: v.skip, variant: v, Crossings: -1}
		if ms.skip != "" {
			s.Skipped = ms.skip
		}
		res.Series = append(res.Series, s)
		if s.Skipped == "" {
			runnable = append(runnable, s)
		}
	}
	for round := range r.rounds {
		if len(runnable) == 0 {
			break
		}
		fmt.Fprintf(r.log, "%s: round %d of %d\n", ms.name, round+1, r.rounds)
		if err := r.round(ctx, ms, runnable, round); err != nil {
			return nil, fmt.Errorf("%s: %w", ms.name, err)
		}
	}
	res.finish()
	return res, nil
}

func (r *runner) round(ctx context.Context, ms *measurement, all []*series, round int) (err error) {
	var root string
	if ms.shared != nil {
		var done func() error
		if root, done, err = r.fs.fresh(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		if err := ms.shared(ctx, root); err != nil {
			return err
		}
	}
	// Another order each round, the same in each run of this program.
	order := rand.New(rand.NewPCG(uint64(round), 0)).Perm(len(all))
	for _, i := range order {
		s := all[i]
		c, err := r.one(ctx, ms, s, root)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Variant, err)
		}
		s.add(c)
	}
	return nil
}

func (r *runner) one(ctx context.Context, ms *measurement, s *series, root string) (c cost, err error) {
	if root == "" {
		var done func() error
		if root, done, err = r.fs.fresh(ctx); err != nil {
			return c, err
		}
		defer func() { err = errors.Join(err, done()) }()
	}
	profile := ""
	if r.profile != "" {
		profile = fmt.Sprintf("%s.%s.%d", r.profile, ms.name, len(s.Wall.Runs))
	}
	return r.child(ctx, job{Measurement: ms.name, Variant: s.Variant, Root: root, Profile: profile})
}
