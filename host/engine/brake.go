package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// wazero ends a call with its context by leaving compiled code at every turn
// of a loop, 40 to 50 ns each, and a compiler that makes loops of branches and
// calls, as Go's does, takes dozens of turns for a name; and it ends no calls
// of calls, of which each has two more. A module gets a brake of its own
// instead before it is compiled: a count of turns and calls, each as heavy as
// the function is long, in a global that the module's code cannot name, and a
// look at the context each time it has run out.

const (
	brakeModule = "bulkhead_brake"
	brakeName   = "look"
	// brakeTurns are the turns between two looks: ten microseconds and more.
	brakeTurns = 1 << 14
	// lengthShift makes turns of bytes: those that one instruction copies or
	// fills, and those of a function.
	lengthShift = 8
	// smallLeaf is how long a function may be that is not counted, if it calls
	// none: who calls it is.
	smallLeaf = 64
	// maxIndex is beyond all functions and globals that a module may have.
	maxIndex = 1 << 24
)

// exportBrake adds the look.
func exportBrake(b wazero.HostModuleBuilder) {
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, _ []uint64) {
		if ctx.Err() != nil {
			panic(sys.NewExitError(sys.ExitCodeContextCanceled))
		}
	}), nil, nil).Export(brakeName)
}

// braking puts the brake into a module. Indices that meant nothing before must
// not mean something now, so all are looked at.
type braking struct {
	types     uint32
	functions uint32 // imported; the look comes next, and all after it move by one
	globals   uint32 // the count comes next, and then what a length is kept in
	look      []byte // if the count has run out
	charge    []byte // before an instruction that takes as long as it is told to
	function
}

// function is what is known of the one whose code is looked at.
type function struct {
	tick    []byte // at its beginning, and at each turn of a loop
	calls   bool   // others
	counted bool   // whatever way is taken through it
	parted  bool   // ways have parted
}

// brake returns a module that checkOutline returned with a brake. What is
// wrong with its code otherwise the compiler tells.
func brake(wasm []byte) ([]byte, error) {
	s, err := cut(wasm)
	if err != nil {
		return nil, err
	}
	b := &braking{types: s.count(secType), globals: s.count(secGlobal)}
	for _, step := range []struct {
		section int
		item    func(*rewriter)
	}{ // imports first: they are counted
		{secImport, b.imported}, {secFunction, b.typ}, {secGlobal, b.variable}, {secExport, b.export},
		{secStart, nil}, {secElement, b.element}, {secCode, b.body},
	} {
		if s[step.section] == nil {
			continue
		}
		w := newRewriter(s[step.section])
		if step.section == secStart {
			b.callee(w)
		} else {
			if step.section == secCode {
				b.assemble()
			}
			for n := w.u32(); n > 0 && w.err == nil; n-- {
				step.item(w)
			}
		}
		if s[step.section], err = w.finish(); err != nil {
			return nil, fmt.Errorf("its %s section: %w", kinds[step.section].name, err)
		}
	}
	s.add(secType, []byte{0x60, 0, 0})
	s.add(secImport, slices.Concat(named(brakeModule), named(brakeName), []byte{0}, uleb(b.types)))
	s.add(secGlobal, []byte{typeI32, 1, opI32Const, 0, opEnd}, []byte{typeI32, 1, opI32Const, 0, opEnd})
	return s.join(wasm[:8]), nil
}

func named(s string) []byte { return append(uleb(uint32(len(s))), s...) }

// assemble makes the code that is put in.
func (b *braking) assemble() {
	count, length := uleb(b.globals), uleb(b.globals+1)
	b.look = slices.Concat(
		[]byte{opGlobalGet}, count, []byte{opI32Const, 0, opI32Less, opIf, blockEmpty},
		[]byte{opCall}, uleb(b.functions), []byte{opI32Const}, positive(brakeTurns), []byte{opGlobalSet}, count,
		[]byte{opEnd})
	b.charge = slices.Concat( // the length is on top of the stack, and stays there
		[]byte{opGlobalSet}, length, []byte{opGlobalGet}, length,
		[]byte{opGlobalGet}, count, []byte{opGlobalGet}, length, []byte{opI32Const, lengthShift, opI32ShrU},
		[]byte{opI32Sub, opGlobalSet}, count,
		b.look)
}

// ticks makes what counts a turn or a call of that weight.
func (b *braking) ticks(weight uint32) []byte {
	count := uleb(b.globals)
	return slices.Concat(
		[]byte{opGlobalGet}, count, []byte{opI32Const}, positive(weight), []byte{opI32Sub, opGlobalSet}, count,
		b.look)
}

// positive encodes a number as a signed one.
func positive(v uint32) []byte {
	b := uleb(v)
	if last := len(b) - 1; b[last]&0x40 != 0 {
		b[last] |= 0x80
		b = append(b, 0)
	}
	return b
}

// typ refuses a type that the module did not have.
func (b *braking) typ(w *rewriter) {
	if i := w.u32(); i >= b.types {
		w.refuse("type %d of %d", i, b.types)
	}
}

// callee moves the index of a function that is not imported.
func (b *braking) callee(w *rewriter) {
	at := w.at
	switch i := w.u32(); {
	case i >= maxIndex:
		w.refuse("function %d", i)
	case i >= b.functions:
		w.replace(at, i+1)
	}
}

// global refuses a global that the module did not have.
func (b *braking) global(w *rewriter) {
	if i := w.u32(); i >= b.globals {
		w.refuse("global %d of %d", i, b.globals)
	}
}

// imported is an import. checkImports has seen that it is a function.
func (b *braking) imported(w *rewriter) {
	w.skip(w.u32())
	w.skip(w.u32())
	w.byte()
	b.typ(w)
	b.functions++
}

func (b *braking) variable(w *rewriter) {
	w.valueType()
	w.byte() // whether it can be set
	b.constant(w)
}

func (b *braking) export(w *rewriter) {
	w.skip(w.u32())
	switch w.byte() {
	case 0:
		b.callee(w)
	case 3:
		b.global(w)
	default:
		w.number()
	}
}

// element is one of the eight forms of element segments.
func (b *braking) element(w *rewriter) {
	form := w.u32()
	if form&1 == 0 {
		if form&2 != 0 {
			w.number() // the table
		}
		b.constant(w)
	}
	if form&3 != 0 {
		w.byte() // what kind
	}
	for n := w.u32(); n > 0 && w.err == nil; n-- {
		if form&4 == 0 {
			b.callee(w)
		} else {
			b.constant(w)
		}
	}
}

// constant is an expression that gives one value.
func (b *braking) constant(w *rewriter) {
	for w.err == nil {
		switch op := w.byte(); op {
		case opEnd:
			return
		case opRefFunc:
			b.callee(w)
		case opGlobalGet:
			b.global(w)
		case opI32Const, opI64Const:
			w.number()
		case opF32Const:
			w.skip(4)
		case opF64Const:
			w.skip(8)
		case opRefNull:
			w.valueType()
		default:
			w.refuse("an expression with %#x", op)
		}
	}
}

// body is the code of one function.
func (b *braking) body(w *rewriter) {
	w.sized(func() {
		long := uint64(w.end - w.at)
		for n := w.u32(); n > 0 && w.err == nil; n-- {
			long += uint64(w.u32()) // so many variables
			w.valueType()
		}
		w.flush(w.at)
		begin := len(w.out)
		b.function = function{tick: b.ticks(uint32(1 + long>>lengthShift))}
		for w.at < w.end {
			b.instruction(w)
		}
		if w.err == nil && !b.counted && (b.calls || long > smallLeaf) {
			w.flush(w.at)
			w.out = slices.Insert(w.out, begin, b.tick...)
		}
	})
}
