package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestCallsOfCallsEndWithTheContext(t *testing.T) {
	const depth = 60
	for name, build := range map[string]func(a *asm) (first int){
		"a chain of two calls each": func(a *asm) int {
			f := a.fn(nil, nil)
			for range depth {
				f = a.fn(nil, nil, callf(f), callf(f))
			}
			return f
		},
		"recursion": func(a *asm) int { // f(n): if n { f(n-1); f(n-1) }
			self := len(a.imports) + len(a.funcs)
			less := slices.Concat([]byte{opLocalGet, 0}, i32c(1), []byte{opI32Sub}, callf(self))
			a.fn([]byte{tI32}, nil, []byte{opLocalGet, 0, opIf, blockEmpty}, less, less, []byte{opEnd})
			return a.fn(nil, nil, i32c(depth), callf(self))
		},
		"recursion through a table": func(a *asm) int {
			self := len(a.imports) + len(a.funcs)
			a.table = []byte{byte(self)}
			typ := byte(a.sig([]byte{tI32}, nil))
			less := slices.Concat([]byte{opLocalGet, 0}, i32c(1), []byte{opI32Sub}, i32c(0), []byte{opCallIndirect, typ, 0})
			a.fn([]byte{tI32}, nil, []byte{opLocalGet, 0, opIf, blockEmpty}, less, less, []byte{opEnd})
			return a.fn(nil, nil, i32c(depth), callf(self))
		},
		"a loop that is not always passed": func(a *asm) int {
			self := len(a.imports) + len(a.funcs)
			less := slices.Concat([]byte{opLocalGet, 0}, i32c(1), []byte{opI32Sub}, callf(self))
			a.fn([]byte{tI32}, nil, []byte{opLocalGet, 0, opIf, blockEmpty}, less, less, []byte{opReturn, opEnd, opLoop, blockEmpty, opEnd})
			return a.fn(nil, nil, i32c(depth), callf(self))
		},
		"long functions that call nobody": func(a *asm) int {
			f := a.fn(nil, nil, slices.Repeat(slices.Concat(i32c(0), i32c(7), []byte{0x36, 0x02, 0x00}), 2000))
			f = a.fn(nil, nil, slices.Repeat(callf(f), 10_000))
			return a.fn(nil, nil, slices.Repeat(callf(f), 10_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsm()
			a.method(abi.ExportPut, callf(build(a)), i32c(0))
			m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if _, err := m.Run(ctx, abi.ExportPut, &fake{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
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
		"a vector's instruction, written so that wazero reads another": {func(a *asm) {
			*a = *hidden()
		}, "at greater length"},
		"a loop behind a type of references": {func(a *asm) { *a = *behindSelect() }, "not known here: 0x64"},
		"a loop behind a block's type":       {func(a *asm) { *a = *behindBlock() }, "not known here: 0x63"},
		"a block's type of references, written at length": {func(a *asm) {
			a.types = slices.Repeat([][]byte{{0x60, 0, 0}}, 1<<14) // 0x3fe3 is one of them, or -29
			a.method("x", []byte{opBlock, 0xe3, 0x7f, 0x22}, spin(), []byte{opEnd}, i32c(0))
		}, "not known here: 0xe37f"},
		"a global behind one": {func(a *asm) {
			a.globals = [][]byte{{0x64, 0x80, 0x41, 0, opRefFunc, 0, opEnd}}
		}, "not known here: 0x64"},
		"cut short": {func(a *asm) { a.method("x", []byte{opBrTable, 9}) }, "cut short"},
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
