package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/bulkhead/bulkhead/abi"
)

// linked is a module's code beside what it imports, in a wazero runtime of its
// own. Its instances share nothing but what cannot be written to.
type linked struct {
	rt    wazero.Runtime
	code  wazero.CompiledModule
	wasm  []byte // as it was given
	users int
}

// links keeps the module that was opened last, which a host opens again and
// again, and counts who uses each: to read a module and to check it takes many
// times as long as an instance.
type links struct {
	mu   sync.Mutex
	last *linked
}

// get returns the module that was opened last if it is this one.
func (l *links) get(wasm []byte) *linked {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || !bytes.Equal(l.last.wasm, wasm) {
		return nil
	}
	l.last.users++
	return l.last
}

// keep has a module that has one user be the one that was opened last.
func (l *links) keep(ctx context.Context, m *linked) error {
	l.mu.Lock()
	old := l.last
	l.last = m
	m.users++
	l.mu.Unlock()
	return l.release(ctx, old)
}

// release is the end of one use; with the last one the code goes.
func (l *links) release(ctx context.Context, m *linked) error {
	if m == nil {
		return nil
	}
	l.mu.Lock()
	m.users--
	users := m.users
	l.mu.Unlock()
	if users > 0 {
		return nil
	}
	return m.rt.Close(ctx)
}

// forget gives up the module that was opened last.
func (l *links) forget(ctx context.Context) error {
	l.mu.Lock()
	old := l.last
	l.last = nil
	l.mu.Unlock()
	return l.release(ctx, old)
}

// link compiles a module that is given with a brake, or the one of a process.
func (r *Runtime) link(ctx context.Context, given, wasm []byte) (_ *linked, err error) {
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(r.cache).
		WithDebugInfoEnabled(false))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
		if err != nil {
			err = errors.Join(err, rt.Close(ctx))
		}
	}()

	hosts := make(map[string]wazero.CompiledModule, 3)
	for module, export := range map[string]func(wazero.HostModuleBuilder){
		abi.Module: exportTo, wasi_snapshot_preview1.ModuleName: exportWASI, brakeModule: exportBrake,
	} {
		b := rt.NewHostModuleBuilder(module)
		export(b)
		if hosts[module], err = b.Compile(ctx); err != nil {
			return nil, fmt.Errorf("host module %s: %w", module, err)
		}
		if _, err = rt.InstantiateModule(ctx, hosts[module], wazero.NewModuleConfig()); err != nil {
			return nil, fmt.Errorf("host module %s: %w", module, err)
		}
	}
	code, err := rt.CompileModule(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkSignatures(code, hosts), checkExports(code)); err != nil {
		return nil, err
	}
	return &linked{rt: rt, code: code, wasm: bytes.Clone(given), users: 1}, nil
}
