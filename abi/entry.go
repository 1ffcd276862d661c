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
	b, r := extend(b, RecEntry, e.Flags, 56+len(e.Path)+len(e.Link))
	f := r[:64]
	set64(f, 8, e.Index)
	set64(f, 16, e.Size)
	set64(f, 24, uint64(e.MtimeSec))
	set32(f, 32, e.MtimeNsec)
	set32(f, 36, e.Mode)
	set32(f, 40, e.UID)
	set32(f, 44, e.GID)
	set32(f, 48, e.Major)
	set32(f, 52, e.Minor)
	set16(f, 56, e.Kind)
	set16(f, 58, e.Attrs)
	set16(f, 60, uint16(len(e.Path)))
	set16(f, 62, uint16(len(e.Link)))
	copy(r[64:], e.Path)
	copy(r[64+len(e.Path):], e.Link)
	return b
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
	b, r := extend(b, RecAction, 0, 24+len(a.Path))
	f := r[:32]
	set16(f, 8, a.Act)
	set16(f, 10, uint16(len(a.Path)))
	set32(f, 12, a.Count)
	set64(f, 16, a.First)
	set64(f, 24, a.Base)
	copy(r[32:], a.Path)
	return b
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
