package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/bulkhead/bulkhead/abi"
)

// FuzzBrake: a module is valid with its brake if and only if it is without, and
// what it exports ends when the context has.
func FuzzBrake(f *testing.F) {
	seed := newAsm()
	seed.globals = [][]byte{{tI32, 1, opI32Const, 5, opEnd}}
	first := seed.host(abi.ImportLog)
	seed.start = seed.fn(nil, nil, []byte{opLoop, blockEmpty, opEnd})
	seed.table = []byte{byte(first), byte(seed.start)}
	seed.method("x", i32c(0), i32c(0), i32c(9), []byte{opPrefixBulk, 10, 0, 0}, callf(seed.start), []byte{opGlobalGet, 0})
	seed.method("y", i32c(0), []byte{opPrefixVec, 0, 0, 0, opPrefixVec, 21, 3})
	f.Add(seed.driver().bytes())
	f.Add(newAsm().driver().bytes())
	f.Add(hidden().bytes())
	f.Add(behindSelect().bytes())
	f.Add(behindBlock().bytes())
	twice := newAsm()
	twice.method("x", []byte{opBlock, blockEmpty, opLoop, blockEmpty}, i32c(1), []byte{opBrIf, 1}, callf(0), callf(0), []byte{opEnd, opEnd}, i32c(0))
	f.Add(twice.driver().bytes())
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
	f.Cleanup(func() { _ = rt.Close(ctx) })
	f.Fuzz(func(t *testing.T, wasm []byte) {
		list, err := importSection(wasm)
		if err != nil || checkImports(list) != nil {
			return
		}
		if wasm, err = checkOutline(wasm); err != nil {
			return
		}
		before := bytes.Clone(wasm)
		braked, err := brake(wasm)
		if !bytes.Equal(before, wasm) {
			t.Fatal("the module itself was written to")
		}
		if errors.Is(err, errAtLength) || errors.Is(err, errType) {
			return // valid to wazero or not; some of it its own compiler cannot do
		}
		plain, perr := rt.CompileModule(ctx, wasm)
		if perr == nil {
			_ = plain.Close(ctx)
		}
		if err != nil {
			if perr == nil {
				t.Fatalf("refused, though it is valid: %v", err)
			}
			return
		}
		with, berr := rt.CompileModule(ctx, braked)
		if (perr == nil) != (berr == nil) {
			t.Fatalf("without: %v; with: %v", perr, berr)
		}
		if berr == nil {
			defer with.Close(ctx)
			ends(t, braked)
		}
	})
}

// ends runs all that a module exports in a context that has ended.
func ends(t *testing.T, braked []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // what it may not have is not the matter here
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
		defer rt.Close(ctx)
		code, err := rt.CompileModule(ctx, braked)
		if err != nil {
			return
		}
		given := map[string]wazero.HostModuleBuilder{}
		for _, f := range code.ImportedFunctions() {
			module, name, _ := f.Import()
			if given[module] == nil {
				given[module] = rt.NewHostModuleBuilder(module)
				if module == brakeModule {
					exportBrake(given[module])
				}
			}
			if module != brakeModule {
				given[module].NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), f.ParamTypes(), f.ResultTypes()).Export(name)
			}
		}
		for _, b := range given {
			if _, err := b.Instantiate(ctx); err != nil {
				return
			}
		}
		m, err := rt.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		if err != nil {
			return
		}
		for name, def := range code.ExportedFunctions() {
			_, _ = m.ExportedFunction(name).Call(ctx, make([]uint64, len(def.ParamTypes()))...)
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
}

// hidden has a loop in what looks like a constant of 128 bits to who reads the
// whole number of the instruction, and not to wazero, which takes a byte of it.
func hidden() *asm {
	a := newAsm()
	constant := slices.Concat([]byte{opEnd}, spin(), slices.Repeat([]byte{0x01}, 10))
	a.method("x", []byte{opBlock, blockEmpty}, i32c(1), []byte{opBrIf, 0},
		[]byte{opPrefixVec, 12}, make([]byte, 16), i32c(0), []byte{opPrefixVec, 0x8c, 0}, constant, i32c(0))
	return a.driver()
}

// behindSelect has a loop after a type of references, which is two bytes to
// wazero. To who takes it for one the second is an instruction, and what
// follows belongs to that.
func behindSelect() *asm {
	a := referring()
	a.method("x", i32c(1), i32c(1), i32c(0), []byte{opSelect, 1, 0x64, 0x22}, spin(), []byte{opDrop}, i32c(0))
	return a.driver()
}

// behindBlock has it after the type of a block.
func behindBlock() *asm {
	a := referring()
	a.method("x", []byte{opBlock, 0x63, 0x22}, spin(), []byte{opUnreachable, opEnd, opDrop}, i32c(0))
	return a.driver()
}

// referring has types enough for their numbers to be instructions.
func referring() *asm {
	a := newAsm()
	for i := range 0x30 {
		a.sig(slices.Repeat([]byte{tI64}, i+1), nil)
	}
	return a
}
