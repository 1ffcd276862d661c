package engine

import (
	"context"
	"errors"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// Solo is a module that has a process to itself, and one instance at a time.
// Nothing but the end of the process stops a call, so that its code runs
// without looking whether it should.
type Solo struct {
	m    *module
	in   *instance
	grow func(n uint64) bool
}

// NewSolo compiles a module that will run alone. grow is asked before n bytes
// of memory are used.
func NewSolo(ctx context.Context, r *Runtime, name string, wasm []byte, limits Limits, grow func(n uint64) bool) (*Solo, error) {
	s := &Solo{grow: grow}
	m, err := r.Compile(ctx, name, wasm, limits, Options{solo: s})
	if err != nil {
		return nil, err
	}
	s.m = m.(*module)
	return s, nil
}

func (o Options) grow() func(uint64) bool {
	if o.solo == nil {
		return nil
	}
	return o.solo.grow
}

// Exports are the methods that the module has.
func (s *Solo) Exports() (methods []abi.Method) {
	for m := abi.Method(0); m < abi.MethodCount; m++ {
		if s.m.Has(m.Export()) {
			methods = append(methods, m)
		}
	}
	return methods
}

// Call runs one export and reports whether there may be another call. An
// instance is made at the first, and is kept for the next unless the call has
// one of its own.
func (s *Solo) Call(ctx context.Context, export string, session calls.Session, once bool) (code int32, reusable bool, err error) {
	if !s.m.Has(export) {
		return 0, false, errors.New("not exported")
	}
	c := &flight{export: export, outer: ctx, ctx: ctx}
	if once && s.in != nil {
		return 0, false, errors.New("another instance is there")
	}
	if s.in == nil {
		if s.in, err = s.m.instantiate(c); err != nil {
			return 0, false, err
		}
	}
	code, err = s.in.call(c, session)
	reusable = err == nil && s.in.reusable()
	if once {
		s.in.discard()
		s.in = nil
	}
	return code, reusable, err
}
