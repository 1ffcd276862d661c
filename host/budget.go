package host

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/confine"
)

// budget bounds what a driver stores. What is there is counted as it is made
// and removed, and kept from one opening to the next; where that is not known,
// it is counted anew.
type budget struct {
	*confine.Meter // nil for no bounds
	// writing is held to be read by every call that writes, and by who counts
	// anew.
	writing sync.RWMutex
}

// budgetNote is what a driver had stored when it was closed. While it is open
// there is no such note, so that none outlives a crash.
type budgetNote struct {
	Blocks int64 `json:"blocks"`
	Inodes int64 `json:"inodes"`
}

const budgetName = "budget"

// openBudget begins to count, unless nothing is bounded or written.
func (d *Driver) openBudget(ctx context.Context) error {
	if d.cfg.ReadOnly {
		return nil
	}
	var note budgetNote
	known, err := d.notes.read(budgetName, &note)
	if err == nil {
		err = d.notes.drop(budgetName)
	}
	if err != nil {
		return err
	}
	d.budget.Meter = d.cfg.Limits.Meter(confine.Used{Blocks: note.Blocks, Inodes: note.Inodes})
	if d.budget.Meter == nil {
		return nil
	}
	d.home.Count(d.budget.Meter)
	others, err := d.othersWrite(ctx)
	if err != nil {
		return err
	}
	if others {
		d.budget.Loosen()
	}
	if others || !known {
		return d.countAnew(ctx)
	}
	return nil
}

// othersWrite reports whether there are layers that are written to past us:
// containers'.
func (d *Driver) othersWrite(ctx context.Context) (bool, error) {
	mounts, err := d.Mounts(ctx)
	if err != nil {
		return false, err
	}
	for _, m := range mounts {
		if m.ReadWrite {
			return true, nil
		}
	}
	return d.notes.anyReadWrite()
}

// givesAway notes that a layer's tree is handed to somebody else, who may write
// to it unless nobody may.
func (d *Driver) givesAway(id string) error {
	fixed, err := d.fixed(id)
	if err == nil && !fixed {
		d.budget.Loosen()
	}
	return err
}

// countAnew replaces what was counted by what is there. A tree too deep to be
// looked through leaves nothing more to be had.
func (d *Driver) countAnew(ctx context.Context) error {
	used, err := d.home.Measure(ctx)
	if errors.Is(err, unix.ENAMETOOLONG) {
		d.budget.Loosen()
		d.budget.Set(confine.Used{Blocks: max(d.cfg.Limits.Blocks, used.Blocks), Inodes: max(d.cfg.Limits.Inodes, used.Inodes)})
		return nil
	}
	if err == nil {
		d.budget.Set(used)
	}
	return err
}

// spend begins a call that writes. Where removals could not be credited, and
// little seems left, what is there is counted first, unless others write.
func (d *Driver) spend(ctx context.Context, m abi.Method) (end func(), err error) {
	b := &d.budget
	if b.Meter == nil || !m.Mutates() {
		return func() {}, nil
	}
	if b.Loose() && b.Near() && b.writing.TryLock() {
		err := d.countAnew(ctx)
		b.writing.Unlock()
		if err != nil {
			return nil, err
		}
	}
	b.writing.RLock()
	return b.writing.RUnlock, nil
}

// closeBudget keeps what was counted for the next opening.
func (d *Driver) closeBudget() error {
	if d.budget.Meter == nil || d.budget.Loose() {
		return nil
	}
	now := d.budget.Now()
	return d.notes.write(budgetName, budgetNote{Blocks: now.Blocks, Inodes: now.Inodes})
}

// Stored is what the driver has stored by the count of its budget, and whether
// there is one.
func (d *Driver) Stored() (used confine.Used, counted bool) {
	if d.budget.Meter == nil {
		return used, false
	}
	return d.budget.Now(), true
}
