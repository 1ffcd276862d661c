package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/bulkhead/bulkhead/abi"
)

// loop repeats code for ever.
func loop(code ...[]byte) []byte {
	return slices.Concat([]byte{opLoop, blockEmpty}, slices.Concat(code...), []byte{opBr, 0, opEnd})
}

func TestLoopsOfLongInstructionsEndWithTheContext(t *testing.T) {
	const pages = 1024
	all := i32c(pages*pageSize - 1)
	for name, code := range map[string][]byte{
		"fill":          slices.Concat(i32c(0), i32c(1), all, []byte{opPrefixBulk, 11, 0}),
		"copy":          slices.Concat(i32c(1), i32c(0), all, []byte{opPrefixBulk, 10, 0, 0}),
		"grow by none":  slices.Concat(grow(0), []byte{opDrop}),
		"a loop within": slices.Concat([]byte{opLoop, tI32}, i32c(1), []byte{opEnd, opDrop}),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsm()
			a.method(abi.ExportPut, grow(pages-1), []byte{opDrop}, loop(code), i32c(0))
			m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{MemoryPages: pages}, Options{})
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			begun := time.Now()
			if _, err := m.Run(ctx, abi.ExportPut, &fake{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
			if d := time.Since(begun); d > 10*time.Second { // without the charge for lengths: minutes
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestCallsThatEndInTimeAreNotStopped(t *testing.T) {
	a := newAsm()
	// Three times as many turns as between two looks.
	a.method(abi.ExportPut,
		i32c(0), i32c(3*brakeTurns), []byte{0x36, 0x02, 0x00},
		[]byte{opLoop, blockEmpty},
		i32c(0), i32c(0), []byte{0x28, 0x02, 0x00}, i32c(1), []byte{opI32Sub, 0x36, 0x02, 0x00},
		i32c(0), []byte{0x28, 0x02, 0x00, opBrIf, 0, opEnd},
		i32c(42))
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
	for range 3 {
		if code, err := m.Run(context.Background(), abi.ExportPut, &fake{}); code != 42 || err != nil {
			t.Errorf("%d %v", code, err)
		}
	}
}

func TestTheBrakeKeepsWhatAModuleDoes(t *testing.T) {
	a := newAsm()
	result := a.host(abi.ImportResult)
	a.globals = [][]byte{{tI32, 1, opI32Const, 5, opEnd}}
	a.start = a.fn(nil, nil, i32c(7), []byte{opGlobalSet, 0})
	two := a.fn(nil, []byte{tI32}, i32c(2))
	three := a.fn(nil, []byte{tI32}, []byte{opGlobalGet, 0}, i32c(4), []byte{opI32Sub})
	a.table = []byte{byte(three), byte(two)}
	one := byte(a.sig(nil, []byte{tI32}))
	// Called directly, through the table, by the host and out of br_table:
	// 2 + 3*10 + 100, from the start function's 7.
	a.method(abi.ExportPut,
		i32c(0), i32c(3), callf(result), []byte{opDrop},
		callf(two), i32c(0), []byte{opCallIndirect, one, 0}, i32c(10), []byte{0x6c, 0x6a},
		[]byte{opBlock, blockEmpty, opBlock, blockEmpty}, i32c(1), []byte{opBrTable, 1, 0, 1, opEnd, opUnreachable, opEnd},
		i32c(100), []byte{0x6a})
	a.data = []byte("say")
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
	s := &fake{on: func(string, ...[]byte) int32 { return 0 }}
	code, err := m.Run(context.Background(), abi.ExportPut, s)
	if err != nil || code != 132 || len(s.saw) != 1 || string(s.saw[0]) != "say" {
		t.Errorf("%d %v %q", code, err, s.saw)
	}
}

func TestTheBrakeIsOutOfAModulesReach(t *testing.T) {
	for name, test := range map[string]struct {
		build func(a *asm)
		want  string
	}{
		"the count is set":     {func(a *asm) { a.method("x", i32c(1<<30), []byte{opGlobalSet, 0}, i32c(0)) }, "code section: global 0 of 0"},
		"the count is read":    {func(a *asm) { a.method("x", []byte{opGlobalGet, 0}) }, "global 0 of 0"},
		"the count is given":   {func(a *asm) { a.export("x", 3, 0) }, "export section: global 0 of 0"},
		"it begins with count": {func(a *asm) { a.globals = [][]byte{{tI32, 1, opGlobalGet, 1, opEnd}} }, "global section: global 1 of 1"},
		"an index comes round": {func(a *asm) { a.method("x", callf(0xffffffff)) }, "function 4294967295"},
		"another type": {func(a *asm) {
			a.method("x", []byte{opBlock, 40, opEnd}, i32c(0))
		}, "type 40 of"},
		"an atomic":   {func(a *asm) { a.method("x", []byte{0xfe, 0, 2, 0}) }, "instruction 0xfe"},
		"a tail call": {func(a *asm) { a.method("x", []byte{0x12, 0}) }, "instruction 0x12"},
		"cut short":   {func(a *asm) { a.method("x", []byte{opBrTable, 9}) }, "cut short"},
		"a long number": {func(a *asm) {
			a.method("x", []byte{opCall, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00})
		}, "more than 32 bits"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsm()
			test.build(a)
			_, err := tryCompile(t, Config{}, a.driver().bytes(), Limits{}, Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

func TestSectionsOutOfOrderAreRefused(t *testing.T) {
	wasm := newAsm().driver().bytes()
	twice := slices.Concat(wasm, []byte{10, 1, 0})
	early := slices.Concat(wasm[:8], []byte{10, 1, 0}, wasm[8:])
	for name, bad := range map[string][]byte{"twice": twice, "too early": early} {
		if _, err := brake(bad); err == nil || !strings.Contains(err.Error(), "section order") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestModulesAreNotTakenForOneAnother(t *testing.T) {
	rt, err := New(context.Background(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rt.Close(context.Background()) })
	one, two := newAsm(), newAsm()
	one.method(abi.ExportPut, i32c(1))
	two.method(abi.ExportPut, i32c(2))
	given := map[int32][]byte{1: one.driver(abi.ExportPut).bytes(), 2: two.driver(abi.ExportPut).bytes()}
	for _, want := range []int32{1, 1, 2, 1, 2, 2} {
		wasm := bytes.Clone(given[want])
		m, err := rt.Compile(context.Background(), "m", wasm, Limits{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		clear(wasm) // the caller's again
		if code, err := m.Run(context.Background(), abi.ExportPut, &fake{}); code != want || err != nil {
			t.Errorf("%d %v, want %d", code, err, want)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// FuzzBrake: a module is valid with its brake if and only if it is without.
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
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
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
		if berr == nil {
			_ = with.Close(ctx)
		}
		if (perr == nil) != (berr == nil) {
			t.Fatalf("without: %v; with: %v", perr, berr)
		}
	})
}
