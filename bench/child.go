package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/pprof"
	"syscall"
	"time"
)

// job is one run of one variant. Each is done by a process of its own: what an
// earlier run left in the heap, or gave back to the kernel, would else decide
// more than the work does.
type job struct {
	Options                    options
	Temp                       string
	Measurement, Variant, Root string
	Profile                    string
}

// jobEnv holds the job of a process that is to do one.
const jobEnv = "BULKHEAD_BENCH_JOB"

// start has a process do j and returns what it measured.
func start(ctx context.Context, j job) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	b, err := json.Marshal(j)
	if err != nil {
		return c, err
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), jobEnv+"="+string(b))
	cmd.Stdout, cmd.Stderr = &out, &said
	// It may have something mounted, or a daemon that works for it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return c, json.Unmarshal(out.Bytes(), &c)
}

// serve is the process that does one job.
func serve(ctx context.Context, text string) (err error) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	d, err := newDrivers(ctx, j.Temp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close(context.WithoutCancel(ctx))) }()
	m := &meter{tap: d.tap}
	if j.Profile != "" {
		m.profile = func(f func() error) error { return profiled(j.Profile, f) }
	}
	sources := newSources(j.Temp)
	for _, s := range sources.all() {
		if err := s.load(); err != nil {
			return err
		}
	}
	for _, ms := range measurements(d, sources, j.Options.Bin) {
		for _, v := range ms.variants {
			if ms.name == j.Measurement && v.name == j.Variant {
				if err := v.run(ctx, j.Root, m); err != nil {
					return err
				}
				return json.NewEncoder(os.Stdout).Encode(m.cost)
			}
		}
	}
	return fmt.Errorf("no %s of %s", j.Variant, j.Measurement)
}

// profiled runs f under the CPU profiler.
func profiled(path string, f func() error) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}
