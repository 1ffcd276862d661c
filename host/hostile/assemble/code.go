package assemble

import "slices"

// Const and Const64 push a number.
func Const(v int32) []byte   { return append([]byte{0x41}, sleb(int64(v))...) }
func Const64(v int64) []byte { return append([]byte{0x42}, sleb(v)...) }

// Call calls a function by its index.
func Call(f int) []byte { return append([]byte{0x10}, Uleb(uint32(f))...) }

// Unreachable traps.
func Unreachable() []byte { return []byte{0x00} }

// Drop takes a value away.
func Drop() []byte { return []byte{0x1a} }

// Wrap makes 32 bits of 64.
func Wrap() []byte { return []byte{0xa7} }

// Grow asks for pages of memory, and pushes how many there were, or -1.
func Grow(pages int32) []byte { return append(Const(pages), 0x40, 0x00) }

// Spin runs code for ever.
func Spin(code ...[]byte) []byte {
	return slices.Concat([]byte{0x03, 0x40}, slices.Concat(code...), []byte{0x0c, 0x00, 0x0b})
}

// UnlessIs traps unless the value on top is v.
func UnlessIs(v int32) []byte {
	return slices.Concat(Const(v), []byte{0x47, 0x04, 0x40}, Unreachable(), []byte{0x0b})
}

// Add adds two numbers.
func Add() []byte { return []byte{0x6a} }

// GrowTable asks for room in the first table, and pushes how much there was,
// or -1.
func GrowTable(n int32) []byte {
	return slices.Concat([]byte{0xd0, 0x70}, Const(n), []byte{0xfc, 0x0f, 0x00})
}
