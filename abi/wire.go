package abi

import (
	"encoding/binary"
	"slices"
)

// Every record begins with the same eight bytes and is padded with zeros to a
// multiple of eight. All integers are little-endian.
//
//	0  u16 kind
//	2  u16 flags
//	4  u32 size, header and padding included
const HeaderSize = 8

// Record is one record as it stands in a buffer: Body is all after the header,
// padding included.
type Record struct {
	Kind  uint16
	Flags uint16
	Body  []byte
}

// Next splits the first record off buf. An empty buf yields ok false and OK;
// anything that is not a whole record is Invalid.
func Next(buf []byte) (rec Record, rest []byte, ok bool, code Code) {
	if len(buf) == 0 {
		return Record{}, nil, false, OK
	}
	if len(buf) < HeaderSize {
		return Record{}, nil, false, Invalid
	}
	size := binary.LittleEndian.Uint32(buf[4:])
	if size < HeaderSize || size%8 != 0 || size > MaxRecord || uint64(size) > uint64(len(buf)) {
		return Record{}, nil, false, Invalid
	}
	return Record{
		Kind:  binary.LittleEndian.Uint16(buf),
		Flags: binary.LittleEndian.Uint16(buf[2:]),
		Body:  buf[HeaderSize:size],
	}, buf[size:], true, OK
}

// begin appends a header whose size end fills in.
func begin(b []byte, kind, flags uint16) ([]byte, int) {
	at := len(b)
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = binary.LittleEndian.AppendUint16(b, flags)
	return binary.LittleEndian.AppendUint32(b, 0), at
}

func end(b []byte, at int) []byte {
	for (len(b)-at)%8 != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[at+4:], uint32(len(b)-at))
	return b
}

func u16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

func put16(b []byte, v uint16) []byte { return binary.LittleEndian.AppendUint16(b, v) }
func put32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func put64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// extend appends a record with n bytes after its header, to be filled in, and
// returns it as rec too. What is sent by the ten thousand is written at fixed
// places in it: a guest under a deadline pays for every branch that is taken,
// and appending piece by piece takes one or two for each piece.
func extend(b []byte, kind, flags uint16, n int) (all, rec []byte) {
	size := (HeaderSize + n + 7) &^ 7
	at := len(b)
	b = slices.Grow(b, size)[:at+size]
	rec = b[at:]
	binary.LittleEndian.PutUint64(rec[size-8:], 0) // what is padding lies in there
	binary.LittleEndian.PutUint64(rec, uint64(kind)|uint64(flags)<<16|uint64(size)<<32)
	return b, rec
}

func set16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func set32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func set64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }

// span cuts body[at:at+n], or reports that it does not lie within.
func span(body []byte, at, n int) ([]byte, bool) {
	if n < 0 || at+n > len(body) {
		return nil, false
	}
	return body[at : at+n], true
}
