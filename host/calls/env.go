package calls

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Env is what all calls to one driver share. Its fields do
// not change.
type Env struct {
	// Home is the driver's directory. Nil where there is none (describe).
	Home *confine.Dir
	// ScratchParent is where /tmp of a call is made.
	ScratchParent string
	// Seals and Locks are the driver's.
	Seals *Seals
	Locks *layerlock.Table
	// Grants are the powers given by configuration.
	Grants []string
	// Unprivileged: this process may not give files to others.
	Unprivileged bool
	// ReadOnly: nothing of the home may change, whatever the method.
	ReadOnly bool
	// ReadsFiles: the driver can give the content of a file that does not
	// lie as such beneath its base, so it may store it as it likes.
	ReadsFiles bool
	// MayHold, if set, refuses to let a layer's entries go to a base.
	MayHold func(id, base string) error
	// Limits bound each call.
	Limits Limits
	// Log receives the guest's lines. It may be called concurrently.
	Log func(level uint32, text string)

	calls atomic.Uint64
}

// nextMark numbers the calls, for their handles, which stay positive.
func (e *Env) nextMark() uint64 { return e.calls.Add(1) & (1<<(62-handleBits) - 1) }

// Limits bound one call. Zero fields mean the defaults.
type Limits struct {
	// Deadline is for the driver's own work; it stands still while a stream
	// waits for its other end.
	Deadline time.Duration
	// Idle is the longest single wait for the other end of a stream.
	Idle time.Duration
	// Log is how many bytes a call may log.
	Log int
	// Output is how many bytes of names a call may emit, as changes or as
	// entries of a diff. Content does not count.
	Output int64
	// OpenFiles is how many files, bases and locks a call may hold.
	OpenFiles int
	// Blocks and Inodes bound all that the driver stores, in bytes and in names,
	// with the /tmp of the calls that run; 0 is no bound.
	Blocks, Inodes int64
}

// DefaultLimits suit the drivers that ship.
func DefaultLimits() Limits {
	return Limits{Deadline: 10 * time.Minute, Idle: 10 * time.Minute, Log: 64 << 10, Output: 256 << 20, OpenFiles: 256}
}

// Fill replaces zero fields by the defaults.
func (l Limits) Fill() Limits {
	d := DefaultLimits()
	if l.Deadline > 0 {
		d.Deadline = l.Deadline
	}
	if l.Idle > 0 {
		d.Idle = l.Idle
	}
	if l.Log > 0 {
		d.Log = l.Log
	}
	if l.Output > 0 {
		d.Output = l.Output
	}
	if l.OpenFiles > 0 {
		d.OpenFiles = l.OpenFiles
	}
	d.Blocks, d.Inodes = l.Blocks, l.Inodes
	return d
}

// Meter counts for these limits, from what is there; nil if neither bounds.
func (l Limits) Meter(at confine.Used) *confine.Meter {
	if l.Blocks <= 0 && l.Inodes <= 0 {
		return nil
	}
	return confine.NewMeter(at, confine.Used{Blocks: l.Blocks, Inodes: l.Inodes}, func(what string, most int64) error {
		value := fmt.Sprint(most)
		if what == "blocks" {
			value += " bytes"
		}
		return &LimitError{Limit: what, Value: value}
	})
}

// Params are one call's.
type Params struct {
	Method abi.Method
	// ID and Parent are the layers that the call is about.
	ID, Parent string
	// Args is the arguments record, as fields.
	Args []byte
	// Source is what apply_diff applies.
	Source layertar.Source
	// Beneath, if not nil, waits for the layers beneath, which are being
	// applied too; see graphdriver.EarlyApplier.
	Beneath func(context.Context) error
	// Out is what diff and read_file write.
	Out io.Writer
}

// Granted reports whether a power was given.
func (e *Env) Granted(name string) bool {
	for _, g := range e.Grants {
		if g == name {
			return true
		}
	}
	return false
}

// xattrGranted reports whether attributes of this name's prefix may be used.
func (e *Env) xattrGranted(name string) bool {
	prefix, _, _ := strings.Cut(name, ".")
	return e.Granted("xattr." + prefix)
}
