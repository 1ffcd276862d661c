package abi

// Emit is one entry of a Diff.
//
//	0  header: kind RecEmit, flags Emit*
//	8  u64 base handle (0 for a whiteout)
//	16 u16 emit kind
//	18 u16 length of path
//	20 u16 length of name; 0 means the same as path
//	22 u16 zero
//	24 path (where the host reads), name (what the archive says)
type Emit struct {
	Flags uint16
	Kind  uint16
	Base  uint64
	Path  []byte
	Name  []byte
}

// AppendEmit appends a RecEmit.
func AppendEmit(b []byte, e Emit) []byte {
	b, r := extend(b, RecEmit, e.Flags, 16+len(e.Path)+len(e.Name))
	f := r[:24]
	set64(f, 8, e.Base)
	set16(f, 16, e.Kind)
	set16(f, 18, uint16(len(e.Path)))
	set16(f, 20, uint16(len(e.Name)))
	set16(f, 22, 0)
	copy(r[24:], e.Path)
	copy(r[24+len(e.Path):], e.Name)
	return b
}

// ParseEmit reads a RecEmit.
func ParseEmit(r Record) (e Emit, ok bool) {
	const fixed = 16
	b := r.Body
	if r.Kind != RecEmit || len(b) < fixed {
		return e, false
	}
	np, nn := int(u16(b, 10)), int(u16(b, 12))
	if fixed+np+nn > len(b) {
		return e, false
	}
	e = Emit{Flags: r.Flags, Kind: u16(b, 8), Base: u64(b, 0), Path: b[fixed : fixed+np], Name: b[fixed+np : fixed+np+nn]}
	if nn == 0 {
		e.Name = e.Path
	}
	return e, true
}

// Change is one path that differs.
//
//	0  header: kind RecChange
//	8  u16 change kind
//	10 u16 length of path
//	12 u32 zero
//	16 path
type Change struct {
	Kind uint16
	Path []byte
}

// AppendChange appends a RecChange.
func AppendChange(b []byte, c Change) []byte {
	b, r := extend(b, RecChange, 0, 8+len(c.Path))
	f := r[:16]
	set16(f, 8, c.Kind)
	set16(f, 10, uint16(len(c.Path)))
	set32(f, 12, 0)
	copy(r[16:], c.Path)
	return b
}

// ParseChange reads a RecChange.
func ParseChange(r Record) (c Change, ok bool) {
	b := r.Body
	if r.Kind != RecChange || len(b) < 8 {
		return c, false
	}
	p, ok := span(b, 8, int(u16(b, 2)))
	return Change{Kind: u16(b, 0), Path: p}, ok
}
