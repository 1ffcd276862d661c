package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvalid: not a filter, or a value that its filter cannot have.
var ErrInvalid = errors.New("invalid filter")

// The keys of filters. Several values of one key are joined as said here;
// different keys all have to hold.
const (
	Dangling  = "dangling"  // true: no tag and no children; false: has a name
	Label     = "label"     // KEY or KEY=VALUE, all of them
	Before    = "before"    // an image: created before it, and each other one named
	Since     = "since"     // an image: created after it, and each other one named
	Reference = "reference" // a pattern that a name matches, one of them
	Until     = "until"     // a time or how long ago: created before, all of them
	Size      = "size"      // <, <=, >, >= or = and a size, all of them
	Layer     = "layer"     // beginning of a diff ID or chain ID of its layers, all of them
	Driver    = "driver"    // name of the driver that stores it, one of them
)

// Keys lists all keys, sorted.
func Keys() []string {
	return []string{Before, Dangling, Driver, Label, Layer, Reference, Since, Size, Until}
}

// Filters are conditions as they were written. The zero value has none, and
// every image passes it.
type Filters struct{ values map[string][]string }

// Parse reads conditions as they stand on a command line: KEY=VALUE, or for
// size also an operator in place of "=". Spaces around key and value, the
// letter case of the key and empty conditions do not count.
// Every error wraps ErrInvalid.
func Parse(conditions ...string) (Filters, error) {
	var f Filters
	for _, c := range conditions {
		if c == "" {
			continue
		}
		at := strings.IndexAny(c, "=<>")
		if at < 0 {
			return Filters{}, fmt.Errorf("%w %q: write it as KEY=VALUE", ErrInvalid, c)
		}
		key, value := strings.ToLower(strings.TrimSpace(c[:at])), c[at:]
		if key != Size || value[0] == '=' {
			var ok bool
			if value, ok = strings.CutPrefix(value, "="); !ok {
				return Filters{}, fmt.Errorf("%w %q: write it as KEY=VALUE", ErrInvalid, c)
			}
		}
		if err := f.Add(key, strings.TrimSpace(value)); err != nil {
			return Filters{}, err
		}
	}
	return f, nil
}

// Add adds one condition. An unknown key, or a value that cannot be
// understood, is ErrInvalid.
func (f *Filters) Add(key, value string) error {
	if !slices.Contains(Keys(), key) {
		return fmt.Errorf("%w %q: known are %s", ErrInvalid, key, strings.Join(Keys(), ", "))
	}
	if err := check(key, value); err != nil {
		return fmt.Errorf("%w %s=%s: %w", ErrInvalid, key, value, err)
	}
	if f.values == nil {
		f.values = map[string][]string{}
	}
	if !slices.Contains(f.values[key], value) {
		f.values[key] = append(f.values[key], value)
	}
	return nil
}

// Values are those of a key, in the order in which they were added.
func (f Filters) Values(key string) []string { return slices.Clone(f.values[key]) }

// Has tells whether there is a condition of this key.
func (f Filters) Has(key string) bool { return len(f.values[key]) > 0 }

// OnlyDangling tells whether named images are to be left out, OnlyNamed
// whether unnamed ones are. With both dangling=true and dangling=false Docker
// heeds the first.
func (f Filters) OnlyDangling() bool { return slices.Contains(f.values[Dangling], "true") }

// OnlyNamed: see OnlyDangling.
func (f Filters) OnlyNamed() bool { return f.Has(Dangling) && !f.OnlyDangling() }
