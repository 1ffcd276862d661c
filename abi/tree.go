package abi

// List asks readdir_plus for one directory.
//
//	0  header: kind RecList, flags List*
//	8  u64 tag, given back in the answer
//	16 u64 base handle
//	24 u16 length of path
//	26 u16 zero, u32 zero
//	32 path ("" or "." is the base itself)
type List struct {
	Flags uint16
	Tag   uint64
	Base  uint64
	Path  []byte
}

// AppendList appends a RecList.
func AppendList(b []byte, l List) []byte {
	b, at := begin(b, RecList, l.Flags)
	b = put64(b, l.Tag)
	b = put64(b, l.Base)
	b = put16(b, uint16(len(l.Path)))
	b = put16(b, 0)
	b = put32(b, 0)
	b = append(b, l.Path...)
	return end(b, at)
}

// ParseList reads a RecList.
func ParseList(r Record) (l List, ok bool) {
	b := r.Body
	if r.Kind != RecList || len(b) < 24 {
		return l, false
	}
	p, ok := span(b, 24, int(u16(b, 16)))
	return List{Flags: r.Flags, Tag: u64(b, 0), Base: u64(b, 8), Path: p}, ok
}

// DirMark begins or ends the answer to one List.
//
//	0  header: kind RecDirBegin or RecDirEnd
//	8  u64 tag
//	16 i32 code (RecDirBegin: OK, or why there is nothing to list)
//	20 u32 zero
type DirMark struct {
	Tag  uint64
	Code Code
}

// AppendDirMark appends a RecDirBegin or RecDirEnd.
func AppendDirMark(b []byte, kind uint16, m DirMark) []byte {
	b, at := begin(b, kind, 0)
	b = put64(b, m.Tag)
	b = put32(b, uint32(m.Code))
	b = put32(b, 0)
	return end(b, at)
}

// ParseDirMark reads a RecDirBegin or RecDirEnd.
func ParseDirMark(r Record) (m DirMark, ok bool) {
	if r.Kind != RecDirBegin && r.Kind != RecDirEnd || len(r.Body) < 16 {
		return m, false
	}
	return DirMark{Tag: u64(r.Body, 0), Code: Code(u32(r.Body, 8))}, true
}

// Name is one name of a directory with its lstat; names come sorted by bytes.
//
//	0  header: kind RecName
//	8  u64 inode
//	16 u64 size
//	24 i64 mtime, seconds
//	32 i64 ctime, seconds
//	40 u32 mtime, nanoseconds
//	44 u32 ctime, nanoseconds
//	48 u32 st_mode, type included
//	52 u32 uid   (the container's)
//	56 u32 gid
//	60 u32 links
//	64 u64 device number (devices)
//	72 u64 digest of the extended attributes (ListAttrs), 0 for none; equal
//	       sets have equal digests within one call
//	80 u16 length of name
//	82 u16 zero, u32 zero
//	88 name
type Name struct {
	Ino, Size            uint64
	MtimeSec, CtimeSec   int64
	MtimeNsec, CtimeNsec uint32
	Mode, UID, GID       uint32
	Nlink                uint32
	Rdev                 uint64
	Attrs                uint64
	Name                 []byte
}

// NameSize is the size of the RecName for a name of n bytes.
func NameSize(n int) int { return (88 + n + 7) &^ 7 }

// AppendName appends a RecName.
func AppendName(b []byte, n *Name) []byte {
	b, at := begin(b, RecName, 0)
	b = put64(b, n.Ino)
	b = put64(b, n.Size)
	b = put64(b, uint64(n.MtimeSec))
	b = put64(b, uint64(n.CtimeSec))
	b = put32(b, n.MtimeNsec)
	b = put32(b, n.CtimeNsec)
	b = put32(b, n.Mode)
	b = put32(b, n.UID)
	b = put32(b, n.GID)
	b = put32(b, n.Nlink)
	b = put64(b, n.Rdev)
	b = put64(b, n.Attrs)
	b = put16(b, uint16(len(n.Name)))
	b = put16(b, 0)
	b = put32(b, 0)
	b = append(b, n.Name...)
	return end(b, at)
}

// ParseName reads a RecName. Name aliases the record.
func ParseName(r Record) (n Name, ok bool) {
	b := r.Body
	if r.Kind != RecName || len(b) < 80 {
		return n, false
	}
	name, ok := span(b, 80, int(u16(b, 72)))
	return Name{
		Ino: u64(b, 0), Size: u64(b, 8),
		MtimeSec: int64(u64(b, 16)), CtimeSec: int64(u64(b, 24)),
		MtimeNsec: u32(b, 32), CtimeNsec: u32(b, 36),
		Mode: u32(b, 40), UID: u32(b, 44), GID: u32(b, 48), Nlink: u32(b, 52),
		Rdev: u64(b, 56), Attrs: u64(b, 64), Name: name,
	}, ok
}

// Pair asks files_equal to compare two regular files.
//
//	0  header: kind RecPair
//	8  u64 base of a
//	16 u64 base of b
//	24 u16 length of a's path
//	26 u16 length of b's path; 0 means the same as a's
//	28 u32 zero
//	32 a's path, b's path
type Pair struct {
	BaseA, BaseB uint64
	PathA, PathB []byte
}

// AppendPair appends a RecPair.
func AppendPair(b []byte, p Pair) []byte {
	b, at := begin(b, RecPair, 0)
	b = put64(b, p.BaseA)
	b = put64(b, p.BaseB)
	b = put16(b, uint16(len(p.PathA)))
	b = put16(b, uint16(len(p.PathB)))
	b = put32(b, 0)
	b = append(b, p.PathA...)
	b = append(b, p.PathB...)
	return end(b, at)
}

// ParsePair reads a RecPair.
func ParsePair(r Record) (p Pair, ok bool) {
	const fixed = 24
	b := r.Body
	if r.Kind != RecPair || len(b) < fixed {
		return p, false
	}
	na, nb := int(u16(b, 16)), int(u16(b, 18))
	if fixed+na+nb > len(b) {
		return p, false
	}
	p = Pair{BaseA: u64(b, 0), BaseB: u64(b, 8), PathA: b[fixed : fixed+na], PathB: b[fixed+na : fixed+na+nb]}
	if nb == 0 {
		p.PathB = p.PathA
	}
	return p, true
}
