package abi

import "bytes"

// AppendField appends a field with raw bytes:
//
//	0  header: kind RecField, flags the tag
//	8  u32 length of the value
//	12 value
func AppendField(b []byte, tag uint16, value []byte) []byte {
	b, at := begin(b, RecField, tag)
	b = put32(b, uint32(len(value)))
	b = append(b, value...)
	return end(b, at)
}

// AppendFieldString appends a field with a string.
func AppendFieldString(b []byte, tag uint16, value string) []byte {
	b, at := begin(b, RecField, tag)
	b = put32(b, uint32(len(value)))
	b = append(b, value...)
	return end(b, at)
}

// AppendFieldPair appends a field whose value is key NUL value.
func AppendFieldPair(b []byte, tag uint16, key, value string) []byte {
	b, at := begin(b, RecField, tag)
	b = put32(b, uint32(len(key)+1+len(value)))
	b = append(b, key...)
	b = append(b, 0)
	b = append(b, value...)
	return end(b, at)
}

// AppendFieldU32 appends a field with one number.
func AppendFieldU32(b []byte, tag uint16, v uint32) []byte {
	return AppendField(b, tag, put32(nil, v))
}

// AppendFieldU64 appends a field with one number.
func AppendFieldU64(b []byte, tag uint16, v uint64) []byte {
	return AppendField(b, tag, put64(nil, v))
}

// AppendFieldTime appends a field with a time.
func AppendFieldTime(b []byte, tag uint16, sec int64, nsec uint32) []byte {
	v := put64(nil, uint64(sec))
	v = put32(v, nsec)
	return AppendField(b, tag, put32(v, 0))
}

// Field is one field of a record of arguments or of a result.
type Field struct {
	Tag   uint16
	Value []byte
}

// ParseField reads a RecField.
func ParseField(r Record) (Field, bool) {
	if r.Kind != RecField || len(r.Body) < 4 {
		return Field{}, false
	}
	v, ok := span(r.Body, 4, int(u32(r.Body, 0)))
	return Field{Tag: r.Flags, Value: v}, ok
}

// Pair splits key NUL value.
func (f Field) Pair() (key, value string, ok bool) {
	k, v, ok := bytes.Cut(f.Value, []byte{0})
	return string(k), string(v), ok
}

// U32 reads a number; false if the value has another length.
func (f Field) U32() (uint32, bool) {
	if len(f.Value) != 4 {
		return 0, false
	}
	return u32(f.Value, 0), true
}

// U64 reads a number; false if the value has another length.
func (f Field) U64() (uint64, bool) {
	if len(f.Value) != 8 {
		return 0, false
	}
	return u64(f.Value, 0), true
}

// Time reads a time; false if the value has another length.
func (f Field) Time() (sec int64, nsec uint32, ok bool) {
	if len(f.Value) != 16 {
		return 0, 0, false
	}
	return int64(u64(f.Value, 0)), u32(f.Value, 8), true
}

// AppendFieldIDMap appends a FieldIDMap.
func AppendFieldIDMap(b []byte, gid bool, container, host, count uint32) []byte {
	var kind uint32
	if gid {
		kind = 1
	}
	v := put32(nil, kind)
	v = put32(v, container)
	v = put32(v, host)
	return AppendField(b, FieldIDMap, put32(v, count))
}

// IDMap reads a FieldIDMap.
func (f Field) IDMap() (gid bool, container, host, count uint32, ok bool) {
	if len(f.Value) != 16 || u32(f.Value, 0) > 1 {
		return false, 0, 0, 0, false
	}
	return u32(f.Value, 0) == 1, u32(f.Value, 4), u32(f.Value, 8), u32(f.Value, 12), true
}
