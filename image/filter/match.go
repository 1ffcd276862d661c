package filter

import (
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Facts are what conditions ask of an image.
type Facts struct {
	Created time.Time
	// Labels are nil where the image has no configuration to have any in.
	Labels map[string]string
	// Size counts all layers, in bytes.
	Size int64
	// Layers are the diff IDs and chain IDs of all layers.
	Layers []string
	Driver string
}

// Matcher is a set of conditions whose times are known.
type Matcher struct {
	filters Filters
	before  *time.Time // what passes was created before, nil for no such condition
	since   *time.Time // likewise after
	bounds  []bound
}

// Matcher finds out what conditions mean at this moment: created tells when
// a named image was created, and its error ends the search.
func (f Filters) Matcher(now time.Time, created func(image string) (time.Time, error)) (*Matcher, error) {
	m := &Matcher{filters: f}
	for _, name := range f.values[Before] {
		t, err := created(name)
		if err != nil {
			return nil, err
		}
		m.notAfter(t)
	}
	for _, name := range f.values[Since] {
		t, err := created(name)
		if err != nil {
			return nil, err
		}
		if m.since == nil || t.After(*m.since) {
			m.since = &t
		}
	}
	for _, value := range f.values[Until] {
		t, err := parseUntil(value, now)
		if err != nil {
			return nil, err
		}
		m.notAfter(t)
	}
	for _, value := range f.values[Size] {
		b, err := parseSize(value)
		if err != nil {
			return nil, err
		}
		m.bounds = append(m.bounds, b)
	}
	return m, nil
}

func (m *Matcher) notAfter(t time.Time) {
	if m.before == nil || t.Before(*m.before) {
		m.before = &t
	}
}

// NeedsFacts tells whether any condition asks for more of an image than its
// names and its driver.
func (m *Matcher) NeedsFacts() bool {
	return slices.ContainsFunc([]string{Before, Since, Until, Label, Size, Layer}, m.filters.Has)
}

// Driver tells whether images of a driver pass.
func (m *Matcher) Driver(name string) bool {
	return !m.filters.Has(Driver) || slices.Contains(m.filters.values[Driver], name)
}

// Image tells whether an image passes all conditions but those on names.
func (m *Matcher) Image(f Facts) bool {
	switch {
	case m.before != nil && !f.Created.Before(*m.before),
		m.since != nil && !f.Created.After(*m.since),
		!m.labels(f.Labels):
		return false
	}
	for _, b := range m.bounds {
		if !b.holds(f.Size) {
			return false
		}
	}
	for _, prefix := range m.filters.values[Layer] {
		begins := func(id string) bool {
			return strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), strings.TrimPrefix(prefix, "sha256:"))
		}
		if !slices.ContainsFunc(f.Layers, begins) {
			return false
		}
	}
	return m.Driver(f.Driver)
}

func (m *Matcher) labels(have map[string]string) bool {
	for _, want := range m.filters.values[Label] {
		key, value, exact := strings.Cut(want, "=")
		got, ok := have[key]
		if !ok || exact && got != value {
			return false
		}
	}
	return true
}

// Name tells whether one name of an image passes: without a reference among
// the conditions each does, else its familiar form, whole or without tag and
// digest, has to match one of them by path.Match.
func (m *Matcher) Name(ref reference.Named) bool {
	patterns := m.filters.values[Reference]
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := reference.FamiliarMatch(p, ref)
		return ok && err == nil
	})
}
