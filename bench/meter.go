package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cost is what one run took.
type cost struct {
	Wall, CPU time.Duration
	// Crossings of the wasm border, -1 where there is none.
	Crossings int64
}

// meter measures the part of a run that counts.
type meter struct {
	cost    cost
	tap     *tap                       // counts crossings
	profile func(f func() error) error // around the measured part; or nil
	// others is the CPU time of processes that are not this one's children and
	// work for it; or nil.
	others func() (time.Duration, error)
}

// time runs f. CPU is user and system time of this process and of its
// children, so what the kernel does later on its own is not in it.
func (m *meter) time(f func() error) error {
	runtime.GC() // what others left is not this run's
	m.tap.reset()
	before, err := m.cpu()
	if err != nil {
		return err
	}
	start := time.Now()
	work := f
	if m.profile != nil {
		work = func() error { return m.profile(f) }
	}
	if err := work(); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := m.cpu()
	m.cost = cost{Wall: took, CPU: after - before, Crossings: m.tap.crossings()}
	return err
}

func (m *meter) cpu() (time.Duration, error) {
	if m.others == nil {
		return cpu(), nil
	}
	more, err := m.others()
	return cpu() + more, err
}

// each is time for something small: it is done n times, and the cost is that
// of one.
func (m *meter) each(n int, f func() error) error {
	err := m.again(func() error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
	m.cost.Wall /= time.Duration(n)
	m.cost.CPU /= time.Duration(n)
	if m.cost.Crossings > 0 {
		m.cost.Crossings /= int64(n)
	}
	return err
}

// again is time for what can be done twice: the first time is for whatever is
// read, compiled or allocated once.
func (m *meter) again(f func() error) error {
	if err := f(); err != nil {
		return err
	}
	return m.time(f)
}

func cpu() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum + offspring()
}

// offspring is the CPU time of children that go on, drivers' processes.
func offspring() time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob("/proc/self/task/*/children") // a bad pattern it is not
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for _, pid := range strings.Fields(string(text)) {
			stats, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat")
			for _, stat := range stats {
				var ns int64
				if text, err := os.ReadFile(stat); err == nil {
					fmt.Sscan(string(text), &ns)
				}
				sum += time.Duration(ns)
			}
		}
	}
	return sum
}
