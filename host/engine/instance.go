package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// instance is one instance of a module. One call at a time uses it.
type instance struct {
	module *module
	mod    api.Module
	mem    *allocator

	// exports keeps what wazero makes anew, with a stack, for each look-up.
	exports map[string]api.Function

	// session answers while a call runs; nil outside.
	session calls.Session
	// forward is the session too, if it takes imports as they come.
	forward Forwarder
	ctx     context.Context
	params  Params

	// files are those that the call in progress has open; left counts those
	// that earlier calls did not close, whose numbers the guest still holds.
	files          map[*guestFile]struct{}
	left           int
	stdout, stderr lines
}

type instanceKey struct{}

func instanceOf(ctx context.Context) *instance {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	return in
}

// instantiate makes an instance and runs its _initialize.
func (m *module) instantiate(c *flight) (*instance, error) {
	if !m.budget.Take(m.minMemory) {
		return nil, &Failure{Cause: CauseBudget, Export: c.export, Limit: m.budget.Exceeded(),
			Detail: fmt.Sprintf("an instance needs %d bytes to begin with", m.minMemory)}
	}
	in := &instance{module: m, exports: make(map[string]api.Function), files: make(map[*guestFile]struct{})}
	in.mem = &allocator{budget: m.budget, limit: m.maxMemory(), reserved: m.minMemory}
	in.stdout = lines{in: in, level: abi.LogInfo}
	in.stderr = lines{in: in, level: abi.LogWarn}
	in.ctx = context.WithValue(c.ctx, instanceKey{}, in)
	mounts := wazero.NewFSConfig()
	for _, mount := range []struct {
		m  calls.Mount
		at string
	}{{calls.Home, "/"}, {calls.Scratch, "/tmp"}} {
		mounts = mounts.(sysfs.FSConfig).WithSysFSMount(&guestFS{in: in, mount: mount.m}, mount.at)
	}
	var err error
	in.mod, err = in.instantiate(
		experimental.WithMemoryAllocator(in.ctx, in.mem), m.code,
		wazero.NewModuleConfig().
			WithName("").
			WithStartFunctions("_initialize").
			WithFSConfig(mounts).
			WithStdout(&in.stdout).WithStderr(&in.stderr).
			WithRandSource(rand.Reader).
			WithSysWalltime().WithSysNanotime().
			WithNanosleep(in.sleep))
	if err == nil && (in.mod == nil || in.mod.IsClosed()) {
		// An exit with status 0 is no error to wazero, but the instance is
		// closed and its memory gone: what ran on would fault.
		err = sys.NewExitError(0)
	}
	if err != nil {
		if in.mem.reserved > 0 { // wazero frees only what it allocated
			in.mem.Free()
		}
		if ended := c.ended(); ended != nil {
			return nil, ended
		}
		return nil, in.failure(c.export, fmt.Errorf("instantiation: %w", err))
	}
	return in, nil
}

// instantiate is wazero's, which panics if the first memory is not to be had.
func (in *instance) instantiate(ctx context.Context, code wazero.CompiledModule, cfg wazero.ModuleConfig) (_ api.Module, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("no instance could be made: %v", p)
		}
	}()
	return in.module.rt.InstantiateModule(ctx, code, cfg)
}

// sleep is poll_oneoff's: it ends with the call.
func (in *instance) sleep(ns int64) {
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.ctx.Done():
	}
}

// call runs one export with s answering.
func (in *instance) call(c *flight, s calls.Session) (int32, error) {
	in.ctx = context.WithValue(c.ctx, instanceKey{}, in)
	in.mem.refused = ""
	in.stdout.reset()
	in.stderr.reset()
	in.session = s
	in.forward, _ = s.(Forwarder)
	fn := in.exports[c.export]
	if fn == nil {
		fn = in.mod.ExportedFunction(c.export)
		in.exports[c.export] = fn
	}
	ret, err := fn.Call(in.ctx)
	in.stdout.flush()
	in.stderr.flush()
	in.session, in.forward = nil, nil
	in.closeFiles()
	if err == nil {
		return api.DecodeI32(ret[0]), nil
	}
	if ended := c.ended(); ended != nil {
		return 0, ended
	}
	return 0, in.failure(c.export, err)
}

// closeFiles ends what the call left open.
func (in *instance) closeFiles() {
	in.left += len(in.files)
	for f := range in.files {
		f.end()
	}
}

// reusable reports whether the next call may have the instance.
func (in *instance) reusable() bool {
	return !in.mod.IsClosed() && in.left <= in.module.limits.OpenFiles && in.mem.size <= in.module.limits.HighWater
}

func (in *instance) discard() { _ = in.mod.Close(context.WithoutCancel(in.ctx)) }

// failure turns wazero's error into a Failure: it names what went wrong in
// one line, without the stack trace that wazero appends.
func (in *instance) failure(export string, err error) error {
	f := &Failure{Cause: CauseTrap, Export: export}
	f.Detail, _, _ = strings.Cut(err.Error(), "\n")
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		f.Cause, f.Detail = CauseExit, fmt.Sprintf("exit status %d", exit.ExitCode())
	} else if head, ok := strings.CutSuffix(f.Detail, " (recovered by wazero)"); ok {
		f.Cause, f.Detail = CausePanic, head
	}
	f.Detail = strings.Replace(f.Detail, "wasm error: ", "", 1)
	if said := in.stderr.first; said != "" {
		f.Detail += ": " + said
	}
	if in.mem.refused != "" && f.Cause != CausePanic {
		f.Cause = in.mem.refused
		f.Limit = in.module.limits.MemoryExceeded()
		if f.Cause == CauseBudget {
			f.Limit = in.module.budget.Exceeded()
		}
	}
	return f
}
