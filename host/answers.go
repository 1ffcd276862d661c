package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
)

func idArgs(id string) []byte { return abi.AppendFieldString(nil, abi.FieldID, id) }

// lockMode is what a call does to a layer.
type lockMode int

const (
	// reading needs the layer complete.
	reading lockMode = iota
	// filling applies its archive. It stays, so that others can be made on it.
	filling
	// making makes or removes it.
	making
	// building needs it to exist, complete or not.
	building
)

// content is the lock of what is in a layer, beside the one of the layer: no id
// has such a name.
func content(id string) string { return id + "/" }

// lock takes the locks of a layer and of another, in the order of their names,
// so that no two calls wait for each other.
func (d *Driver) lock(ctx context.Context, id string, mode lockMode, other string, otherMode lockMode) (unlock func(), err error) {
	if err := graphdriver.ValidateID(id); err != nil {
		return nil, err
	}
	type want struct {
		name      string
		exclusive bool
	}
	var wants []want
	add := func(id string, mode lockMode) {
		wants = append(wants, want{id, mode == making})
		if mode == reading || mode == filling {
			wants = append(wants, want{content(id), mode == filling})
		}
	}
	add(id, mode)
	if other != "" {
		if err := graphdriver.ValidateID(other); err != nil {
			return nil, fmt.Errorf("parent: %w", err)
		}
		if other == id {
			return nil, fmt.Errorf("layer %s as its own parent: %w", id, graphdriver.ErrInvalid)
		}
		add(other, otherMode)
	}
	slices.SortFunc(wants, func(a, b want) int { return strings.Compare(a.name, b.name) })
	wait, cancel := context.WithTimeout(ctx, d.cfg.Limits.Deadline)
	defer cancel()
	var held []func()
	for _, w := range wants {
		release, err := d.locks.Acquire(wait, w.name, w.exclusive)
		if err != nil {
			for _, r := range held {
				r()
			}
			if ctx.Err() == nil {
				err = fmt.Errorf("driver %s: layer %s is in use for longer than the deadline of %s: %w", d.cfg.Name, strings.TrimSuffix(w.name, content("")), d.cfg.Limits.Deadline, graphdriver.ErrBusy)
			}
			return nil, err
		}
		held = append(held, release)
	}
	return func() {
		for _, r := range held {
			r()
		}
	}, nil
}

// one is the result's only field, which must have this tag.
func (d *Driver) one(out *calls.Outcome, tag uint16, m abi.Method) (abi.Field, error) {
	if len(out.Fields) != 1 || out.Fields[0].Tag != tag {
		return abi.Field{}, d.broken(m, "another result than the method has")
	}
	return out.Fields[0], nil
}

func (d *Driver) pairs(out *calls.Outcome, m abi.Method) ([]graphdriver.Pair, error) {
	var pairs []graphdriver.Pair
	for _, f := range out.Fields {
		k, v, ok := f.Pair()
		if f.Tag != abi.FieldPair || !ok || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return nil, d.broken(m, "something that is no pair of texts")
		}
		pairs = append(pairs, graphdriver.Pair{Key: k, Value: v})
	}
	return pairs, nil
}

// broken is an answer that the ABI does not allow.
func (d *Driver) broken(m abi.Method, what string) error {
	return fmt.Errorf("driver %s: %s answered %s: %w", d.cfg.Name, m, what, graphdriver.ErrInvalid)
}

// naive turns an answer that the module would rather not into ErrUseNaive.
func naive(err error) error {
	if errors.Is(err, graphdriver.ErrUseNaive) || errors.Is(err, graphdriver.ErrNotSupported) {
		return fmt.Errorf("%w: %w", graphdriver.ErrUseNaive, err)
	}
	return err
}
