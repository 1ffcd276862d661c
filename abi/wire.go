package abi

import "encoding/binary"

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

// span cuts body[at:at+n], or reports that it does not lie within.
func span(body []byte, at, n int) ([]byte, bool) {
	if n < 0 || at+n > len(body) {
		return nil, false
	}
	return body[at : at+n], true
}
