package engine

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/bulkhead/bulkhead/host/calls"
)

const pageSize = 64 << 10

// Budget counts the memory of all instances of one module.
type Budget struct {
	max  uint64
	used atomic.Uint64
	// ask, if set, decides instead: the budget is another process's.
	ask func(n uint64) bool
}

// NewBudget has max bytes to give. ask, if not nil, decides instead.
func NewBudget(max uint64, ask func(n uint64) bool) *Budget { return &Budget{max: max, ask: ask} }

// Take reports whether there are n bytes left, and counts them as used.
func (b *Budget) Take(n uint64) bool {
	if b.ask != nil {
		return b.ask(n)
	}
	for {
		used := b.used.Load()
		if n > b.max || used > b.max-n {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Exceeded says that the budget is used up.
func (b *Budget) Exceeded() *calls.LimitError {
	return &calls.LimitError{Limit: "memory-budget", Value: fmt.Sprintf("%d bytes", b.max)}
}

// MemoryExceeded says that one instance has all that one may have.
func (l Limits) MemoryExceeded() *calls.LimitError {
	return &calls.LimitError{Limit: "memory", Value: fmt.Sprintf("%d bytes", l.memory())}
}

func (l Limits) memory() uint64 { return uint64(l.MemoryPages) * pageSize }

// Give takes n bytes back.
func (b *Budget) Give(n uint64) {
	if b.ask == nil {
		b.used.Add(-n)
	}
}

// allocator makes the memory of one instance. It reserves address space once
// and lets pages in as the guest grows: growing never copies, fresh pages are
// the kernel's zeros, and closing gives them back at once.
type allocator struct {
	budget *Budget
	limit  uint64
	// reserved was taken from the budget before instantiation, because
	// wazero panics if the first allocation fails.
	reserved uint64
	// refused is why growth was last refused; a call that fails afterwards
	// failed because of it.
	refused Cause
	mem     []byte
	size    uint64
}

func (a *allocator) Allocate(_, max uint64) experimental.LinearMemory {
	n := max
	if n > a.limit {
		n = a.limit
	}
	if n < a.reserved {
		n = a.reserved
	}
	if n > 0 {
		mem, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_NONE,
			syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
		if err == nil {
			a.mem = mem
		}
	}
	return a
}

// Reallocate returns nil where the limit or the budget ends.
func (a *allocator) Reallocate(size uint64) []byte {
	if size > uint64(len(a.mem)) {
		a.refused = CauseMemory
		return nil
	}
	if size > a.size {
		if size > a.reserved {
			if !a.budget.Take(size - a.reserved) {
				a.refused = CauseBudget
				return nil
			}
			a.reserved = size
		}
		if err := syscall.Mprotect(a.mem[:size], syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			a.refused = CauseMemory
			return nil
		}
		a.size = size
	}
	return a.mem[:a.size:a.size]
}

// Free is called once the instance can no longer run.
func (a *allocator) Free() {
	if a.mem != nil {
		_ = syscall.Munmap(a.mem)
		a.mem = nil
	}
	a.budget.Give(a.reserved)
	a.reserved, a.size = 0, 0
}
