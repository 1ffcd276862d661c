package engine

import "errors"

// Operation codes of the binary format that the brake has to know by name:
// https://webassembly.github.io/spec/core/binary/instructions.html.
const (
	opBlock, opLoop, opIf     = 0x02, 0x03, 0x04
	opEnd                     = 0x0b
	opBr, opBrIf, opBrTable   = 0x0c, 0x0d, 0x0e
	opReturn                  = 0x0f
	opCall, opCallIndirect    = 0x10, 0x11
	opSelect                  = 0x1c
	opLocalGet                = 0x20
	opGlobalGet, opGlobalSet  = 0x23, 0x24
	opTableSet                = 0x26
	opI32Load, opI64Store32   = 0x28, 0x3e
	opMemorySize              = 0x3f
	opMemoryGrow              = 0x40
	opI32Const, opI64Const    = 0x41, 0x42
	opF32Const, opF64Const    = 0x43, 0x44
	opI32Less                 = 0x48
	opI32Sub, opI32ShrU       = 0x6b, 0x76
	opI64Extend32             = 0xc4
	opRefNull, opIsNull       = 0xd0, 0xd1
	opRefFunc                 = 0xd2
	opPrefixBulk, opPrefixVec = 0xfc, 0xfd

	blockEmpty = 0x40
	typeI32    = 0x7f
)

// instruction passes over one instruction and what belongs to it, with the
// brake where it can take long. Those that wazero would have to be asked for
// are refused: tail calls, exceptions, atomics.
func (b *braking) instruction(w *rewriter) {
	switch op := w.byte(); {
	case op == opLoop:
		b.blockType(w)
		w.insert(w.at, b.tick)
		b.counted = b.counted || !b.parted
	case op == opBlock:
		b.blockType(w)
	case op == opIf:
		b.blockType(w)
		b.parted = true
	case op >= opLocalGet && op < opGlobalGet, op == opI32Const, op == opI64Const,
		op > opGlobalSet && op <= opTableSet:
		w.number()
	case op == opBr, op == opBrIf:
		w.number()
		b.parted = true
	case op == opReturn:
		b.parted = true
	case op >= opI32Load && op <= opI64Store32: // alignment, offset
		w.number()
		w.number()
	case op > opF64Const && op <= opI64Extend32, op == opEnd, op <= 0x01, op == 0x05, op == 0x1a, op == 0x1b, op == opIsNull:
	case op == opCall:
		b.callee(w)
		b.calls = true
	case op == opRefFunc:
		b.callee(w)
	case op == opGlobalGet, op == opGlobalSet:
		b.global(w)
	case op == opBrTable:
		for n := w.u32(); n > 0 && w.err == nil; n-- {
			w.number()
		}
		w.number()
		b.parted = true
	case op == opCallIndirect:
		b.typ(w)
		w.number() // the table
		b.calls = true
	case op == opF32Const:
		w.skip(4)
	case op == opF64Const:
		w.skip(8)
	case op == opMemorySize, op == opMemoryGrow:
		w.byte()
	case op == opRefNull:
		w.valueType()
	case op == opSelect:
		for n := w.u32(); n > 0 && w.err == nil; n-- {
			w.valueType()
		}
	case op == opPrefixBulk:
		b.bulk(w)
	case op == opPrefixVec:
		vector(w)
	default:
		w.refuse("instruction %#x is not known here", op)
	}
}

// blockType is nothing, a value type, or a function type's index, which is
// signed: a negative one is a type of more than a byte to wazero.
func (b *braking) blockType(w *rewriter) {
	if w.at < w.end && w.b[w.at]&0xc0 == 0x40 {
		if w.b[w.at] == blockEmpty {
			w.at++
		} else {
			w.valueType()
		}
		return
	}
	at := w.at
	b.typ(w)
	if w.err != nil {
		return
	}
	last, sign := w.b[w.at-1], byte(0x40)
	if w.at-at == 5 {
		sign = 0x70 // of 35 bits, 33 are read
	}
	if last&sign != 0 {
		w.refuse("%w: %#x", errType, w.b[at:w.at])
	}
}

// bulk is an instruction on a stretch of memory or of a table.
func (b *braking) bulk(w *rewriter) {
	at := w.at - 1
	switch op := w.u32(); op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // conversions that saturate
	case 9, 13, 15, 16: // data.drop, elem.drop, table.grow, table.size
		w.number()
	case 11, 17: // memory.fill, table.fill
		w.insert(at, b.charge)
		w.number()
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		w.insert(at, b.charge)
		w.number()
		w.number()
	default:
		w.refuse("instruction %#x %d is not known here", opPrefixBulk, op)
	}
}

var errAtLength = errors.New("its number is written at greater length than it need be")

// vector is an instruction on 128 bits. wazero takes one byte for its number,
// and a second one, which is 1 where there is one, for an instruction that does
// nothing. Written otherwise it would be one instruction to the brake and
// another to wazero.
func vector(w *rewriter) {
	op := w.byte()
	if op >= 0x80 && w.byte() != 1 {
		w.refuse("instruction %#x: %w", opPrefixVec, errAtLength)
	}
	switch {
	case op <= 11, op == 92, op == 93: // loads and stores
		w.number()
		w.number()
	case op == 12, op == 13: // a constant, a shuffle
		w.skip(16)
	case op >= 21 && op <= 34: // lanes
		w.byte()
	case op >= 84 && op <= 91: // loads and stores of lanes
		w.number()
		w.number()
		w.byte()
	}
}
