package graphdriver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// InitFunc makes a driver ready at home, its own directory beneath the root.
// An error for which IsUnsuitable holds means that it cannot work there.
type InitFunc func(ctx context.Context, home string) (Driver, error)

// Registration is one driver that can be chosen.
type Registration struct {
	Name string
	Init InitFunc
	// ThirdParty drivers are used only where they are named: neither for
	// what they left under the root nor for want of another.
	ThirdParty bool
}

// Registry holds the drivers of one program. It is a value that the program
// fills and passes on; after that it may be used concurrently.
type Registry struct {
	order []Registration
}

// Register adds a driver. A name that is taken is ErrExists.
func (r *Registry) Register(reg Registration) error {
	if _, ok := r.find(reg.Name); ok {
		return fmt.Errorf("driver name already registered %q: %w", reg.Name, ErrExists)
	}
	r.order = append(r.order, reg)
	return nil
}

// Names lists the registered drivers in the order of their registration.
func (r *Registry) Names() []string {
	var out []string
	for _, reg := range r.order {
		out = append(out, reg.Name)
	}
	return out
}

func (r *Registry) find(name string) (Registration, bool) {
	for _, reg := range r.order {
		if reg.Name == name {
			return reg, true
		}
	}
	return Registration{}, false
}

// Selection is how a driver is chosen.
type Selection struct {
	// Root is the directory that holds each driver's own.
	Root string
	// Name is the driver that was asked for, "" to choose.
	Name string
	// Priority lists the drivers to prefer, best first.
	Priority []string
}

// neverPrior is not taken for what it left under a root: it works anywhere,
// so its directory says nothing of what the operator wants.
const neverPrior = "vfs"

// Choose names the driver that New would open first, without opening it: the
// one asked for, or the one whose directory is under the root. It is "" where
// only trying can tell.
func (r *Registry) Choose(s Selection) (string, error) {
	if s.Name != "" {
		if _, ok := r.find(s.Name); !ok {
			return "", fmt.Errorf("driver %q is not known (known: %s): %w", s.Name, strings.Join(r.Names(), ", "), ErrNotSupported)
		}
		return s.Name, nil
	}
	priors, err := r.priors(s.Root)
	if err != nil {
		return "", err
	}
	switch {
	case len(priors) > 1:
		return "", fmt.Errorf("%s contains several valid graphdrivers: %s; clean up or choose one explicitly (--driver): %w",
			s.Root, strings.Join(priors, ", "), ErrInvalid)
	case len(priors) == 1:
		if reg, _ := r.find(priors[0]); reg.ThirdParty {
			return "", fmt.Errorf("%s holds layers of driver %s, which does not ship with this program and is used only if you say so: pass --driver %s: %w",
				s.Root, reg.Name, reg.Name, ErrInvalid)
		}
		return priors[0], nil
	}
	return "", nil
}

// New opens a driver by moby's rules: the one named; else the one whose layers
// lie under the root, whose failure is final, since they would vanish; else
// the first of Priority that works here; else the first registered one that
// does. Those that cannot work here are passed over. ErrNoBackend is the end.
func (r *Registry) New(ctx context.Context, s Selection) (Driver, error) {
	name, err := r.Choose(s)
	if err != nil {
		return nil, err
	}
	if name != "" {
		d, err := r.open(ctx, s.Root, name)
		if err != nil && s.Name == "" {
			return nil, fmt.Errorf("prior storage driver %s: %w", name, err)
		}
		return d, err
	}
	d, _, err := r.First(ctx, s)
	return d, err
}

// First opens the first driver that works on a new root: of Priority, then of
// those registered. It also returns why those before it do not.
func (r *Registry) First(ctx context.Context, s Selection) (_ Driver, passed []error, err error) {
	for _, name := range r.candidates(s.Priority) {
		d, err := r.open(ctx, s.Root, name)
		if err == nil {
			return d, passed, nil
		}
		if !IsUnsuitable(err) {
			return nil, nil, err
		}
		passed = append(passed, err)
	}
	return nil, nil, errors.Join(append([]error{ErrNoBackend}, passed...)...)
}

// candidates are what may be chosen by itself, best first.
func (r *Registry) candidates(priority []string) []string {
	var out []string
	for _, name := range append(slices.Clone(priority), r.Names()...) {
		if reg, ok := r.find(name); ok && !reg.ThirdParty && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (r *Registry) open(ctx context.Context, root, name string) (Driver, error) {
	reg, ok := r.find(name)
	if !ok {
		return nil, fmt.Errorf("driver %q is not known: %w", name, ErrNotSupported)
	}
	return reg.Init(ctx, filepath.Join(root, name))
}

// priors are the registered drivers that have a directory under the root.
func (r *Registry) priors(root string) ([]string, error) {
	var out []string
	for _, reg := range r.order {
		if reg.Name == neverPrior {
			continue
		}
		_, err := os.Stat(filepath.Join(root, reg.Name))
		if err == nil {
			out = append(out, reg.Name)
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	slices.Sort(out)
	return out, nil
}
