package engine

import (
	"context"

	"github.com/bulkhead/bulkhead/host/calls"
)

// Options are what a module's user adds to its Limits.
type Options struct {
	// Configure, if set, is asked once per new pooled instance of a module
	// that exports driver_configure: the instance's first call is that export
	// with the session returned. done, if not nil, is told how it ended and
	// has the last word; without it a code other than 0 is an error.
	Configure func(ctx context.Context) (s calls.Session, done func(code int32, err error) error, err error)
	// solo is set where the module is the only one of its process.
	solo *Solo
}

// Fill replaces zero fields by the defaults.
func (l Limits) Fill() Limits {
	d := DefaultLimits()
	if l.MemoryPages == 0 {
		l.MemoryPages = d.MemoryPages
	}
	if l.MemoryBudget == 0 {
		l.MemoryBudget = d.MemoryBudget
	}
	if l.HighWater == 0 {
		l.HighWater = d.HighWater
	}
	if l.Idle == 0 {
		l.Idle = d.Idle
	}
	if l.OpenFiles == 0 {
		l.OpenFiles = d.OpenFiles
	}
	if l.Compile == 0 {
		l.Compile = d.Compile
	}
	return l
}
