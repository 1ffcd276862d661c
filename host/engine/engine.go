package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/host/calls"
)

// Module is one compiled driver. Run may be called from any number of
// goroutines; each call has an instance to itself.
type Module interface {
	// Has reports whether the module exports a function of that name.
	Has(export string) bool
	// Run calls one export with s answering its imports and file calls, and
	// returns what the export returned. ctx ends the call: the instance is
	// then discarded and the error wraps context.Cause(ctx). A trap, an exit
	// or a limit discards the instance too and is a *Failure. A call in
	// flight never waits for another call's instance.
	Run(ctx context.Context, export string, s calls.Session) (int32, error)
	// RunOnce is Run in an instance of its own that is neither configured
	// before nor kept afterwards.
	RunOnce(ctx context.Context, export string, s calls.Session) (int32, error)
	// Close releases the module and its idle instances. Calls in flight fail.
	Close(ctx context.Context) error
}

// Limits bound one module. Zero values mean the defaults of DefaultLimits.
type Limits struct {
	// MemoryPages is the most memory of one instance, in 64 KiB pages.
	MemoryPages uint32
	// MemoryBudget is the most memory of all instances together, in bytes.
	MemoryBudget uint64
	// HighWater discards an instance after its call if its memory has grown
	// beyond this many bytes.
	HighWater uint64
	// Idle is how many instances wait for the next call. 0 keeps the
	// default; negative keeps none, so that each call gets a fresh one.
	Idle int
	// OpenFiles is the most files one call holds open through WASI, whatever
	// its session allows: the session's own limit is the one to set.
	OpenFiles int
	// Compile is how long a child process may take to compile the module, or
	// to load what was compiled.
	Compile time.Duration
}

// DefaultLimits suit the drivers that ship.
func DefaultLimits() Limits {
	return Limits{
		MemoryPages:  4096, // 256 MiB
		MemoryBudget: 2 << 30,
		HighWater:    64 << 20,
		Idle:         4,
		OpenFiles:    4096,
		Compile:      20 * time.Second,
	}
}

// ErrNoProcess is a machine on which a process that a driver needs cannot be
// run as it must; the driver is not to blame.
var ErrNoProcess = errors.New("no process for the driver")

// Cause is why a call did not return.
type Cause string

const (
	CauseTrap   Cause = "trap"
	CauseExit   Cause = "exit"
	CauseMemory Cause = "memory"
	CauseBudget Cause = "memory budget"
	CausePanic  Cause = "panic"
	// Of a child process only: it ended by itself or was ended, it made a
	// system call that it may not, it said what no child says.
	CauseEnded     Cause = "child process ended"
	CauseForbidden Cause = "forbidden system call"
	CauseProtocol  Cause = "child process broke the protocol"
)

// Failure is a call that did not return. The instance is gone; the module
// and its other instances go on.
type Failure struct {
	Cause  Cause
	Export string
	// Detail is the engine's own words, without a stack trace.
	Detail string
	// Limit is the bound that was reached, nil where none was.
	Limit *calls.LimitError
}

func (f *Failure) Error() string {
	s := fmt.Sprintf("%s: %s: %s", f.Export, f.Cause, f.Detail)
	if f.Limit != nil {
		s += ": " + f.Limit.Error()
	}
	return s
}

// Unwrap yields the limit.
func (f *Failure) Unwrap() error {
	if f.Limit == nil {
		return nil
	}
	return f.Limit
}
