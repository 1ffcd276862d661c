package treediff

import (
	"encoding/binary"
	"math/bits"
)

// compareNames orders names by their bytes, as bytes.Compare does, eight at a
// time: a guest's own comparison goes byte by byte. Words are little-endian,
// which a guest loads at once, and are turned round where they differ only.
func compareNames(a, b []byte) int {
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		if x != y {
			return order(x, y)
		}
		a, b = a[8:], b[8:]
	}
	x, y := tail(a), tail(b)
	if x != y {
		return order(x, y)
	}
	return len(a) - len(b)
}

// equalNames reports whether compareNames is 0.
func equalNames(a, b []byte) bool {
	n := len(a)
	if n != len(b) {
		return false
	}
	if n < 8 {
		return tail(a) == tail(b)
	}
	// The last eight may overlap those before them.
	last := binary.LittleEndian.Uint64(a[n-8:]) ^ binary.LittleEndian.Uint64(b[n-8:])
	for len(a) > 8 && last == 0 {
		last = binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		a, b = a[8:], b[8:]
	}
	return last == 0
}

func order(x, y uint64) int {
	if bits.ReverseBytes64(x) < bits.ReverseBytes64(y) {
		return -1
	}
	return 1
}

// tail is the first eight bytes of a name, and zeros for those it lacks.
func tail(b []byte) uint64 {
	n := len(b)
	if n >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	if n >= 4 {
		// The two halves overlap.
		lo, hi := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[n-4:]))
		return lo | hi<<(8*(n-4))
	}
	if n == 0 {
		return 0
	}
	// First, middle and last byte, which may be one and the same.
	return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
}
