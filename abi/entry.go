package abi

// Entry is one entry of an archive that is being applied.
//
//	0  header: kind RecEntry, flags Entry*
//	8  u64 index, counted over the whole call
//	16 u64 size of the payload
//	24 i64 mtime, seconds
//	32 u32 mtime, nanoseconds
//	36 u32 mode: the low twelve bits of st_mode
//	40 u32 uid   (the container's)
//	44 u32 gid
//	48 u32 major (devices)
//	52 u32 minor
//	56 u16 entry kind
//	58 u16 number of extended attributes (entry_attr)
//	60 u16 length of path
//	62 u16 length of link
//	64 path, link
type Entry struct {
	Flags        uint16
	Index        uint64
	Size         uint64
	MtimeSec     int64
	MtimeNsec    uint32
	Mode         uint32
	UID, GID     uint32
	Major, Minor uint32
	Kind         uint16
	Attrs        uint16
	Path         []byte
	Link         []byte
}

// AppendEntry appends a RecEntry.
func AppendEntry(b []byte, e *Entry) []byte {
	b, at := begin(b, RecEntry, e.Flags)
	b = put64(b, e.Index)
	b = put64(b, e.Size)
	b = put64(b, uint64(e.MtimeSec))
	b = put32(b, e.MtimeNsec)
	b = put32(b, e.Mode)
	b = put32(b, e.UID)
	b = put32(b, e.GID)
	b = put32(b, e.Major)
	b = put32(b, e.Minor)
	b = put16(b, e.Kind)
	b = put16(b, e.Attrs)
	b = put16(b, uint16(len(e.Path)))
	b = put16(b, uint16(len(e.Link)))
	b = append(b, e.Path...)
	b = append(b, e.Link...)
	return end(b, at)
}

// ParseEntry reads a RecEntry. Path and Link alias the record.
func ParseEntry(r Record) (e Entry, ok bool) {
	const fixed = 56
	b := r.Body
	if r.Kind != RecEntry || len(b) < fixed {
		return e, false
	}
	np, nl := int(u16(b, 52)), int(u16(b, 54))
	if fixed+np+nl > len(b) {
		return e, false
	}
	return Entry{
		Flags: r.Flags, Index: u64(b, 0), Size: u64(b, 8),
		MtimeSec: int64(u64(b, 16)), MtimeNsec: u32(b, 24),
		Mode: u32(b, 28), UID: u32(b, 32), GID: u32(b, 36),
		Major: u32(b, 40), Minor: u32(b, 44),
		Kind: u16(b, 48), Attrs: u16(b, 50),
		Path: b[fixed : fixed+np], Link: b[fixed+np : fixed+np+nl],
	}, true
}

// Attr is one extended attribute.
//
//	0  header: kind RecAttr
//	8  u32 length of name
//	12 u32 length of value
//	16 name, value
type Attr struct{ Name, Value []byte }

// AppendAttr appends a RecAttr.
func AppendAttr(b []byte, name, value string) []byte {
	b, at := begin(b, RecAttr, 0)
	b = put32(b, uint32(len(name)))
	b = put32(b, uint32(len(value)))
	b = append(b, name...)
	b = append(b, value...)
	return end(b, at)
}

// ParseAttr reads a RecAttr.
func ParseAttr(r Record) (a Attr, ok bool) {
	if r.Kind != RecAttr || len(r.Body) < 8 {
		return a, false
	}
	nn, nv := u32(r.Body, 0), u32(r.Body, 4)
	if uint64(nn)+uint64(nv)+8 > uint64(len(r.Body)) {
		return a, false
	}
	return Attr{Name: r.Body[8 : 8+nn], Value: r.Body[8+nn : 8+nn+nv]}, true
}

// NextAttr splits the first RecAttr off buf. It is Next for the one kind that
// may exceed MaxRecord.
func NextAttr(buf []byte) (a Attr, rest []byte, ok bool) {
	if len(buf) < HeaderSize {
		return a, nil, false
	}
	size := u32(buf, 4)
	if size < HeaderSize || size%8 != 0 || uint64(size) > uint64(len(buf)) {
		return a, nil, false
	}
	a, ok = ParseAttr(Record{Kind: u16(buf, 0), Flags: u16(buf, 2), Body: buf[HeaderSize:size]})
	return a, buf[size:], ok
}

// Action decides Count entries from First on.
//
//	0  header: kind RecAction
//	8  u16 action (Act*)
//	10 u16 length of path
//	12 u32 count, at least 1
//	16 u64 first index
//	24 u64 base handle (0 where the action needs none)
//	32 path: where instead of the entry's own; only with count 1, else empty
type Action struct {
	Act   uint16
	Count uint32
	First uint64
	Base  uint64
	Path  []byte
}

// AppendAction appends a RecAction.
func AppendAction(b []byte, a Action) []byte {
	b, at := begin(b, RecAction, 0)
	b = put16(b, a.Act)
	b = put16(b, uint16(len(a.Path)))
	b = put32(b, a.Count)
	b = put64(b, a.First)
	b = put64(b, a.Base)
	b = append(b, a.Path...)
	return end(b, at)
}

// ParseAction reads a RecAction.
func ParseAction(r Record) (a Action, ok bool) {
	b := r.Body
	if r.Kind != RecAction || len(b) < 24 {
		return a, false
	}
	p, ok := span(b, 24, int(u16(b, 2)))
	return Action{Act: u16(b, 0), Count: u32(b, 4), First: u64(b, 8), Base: u64(b, 16), Path: p}, ok
}
