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
	b, r := extend(b, RecList, l.Flags, 24+len(l.Path))
	f := r[:32]
	set64(f, 8, l.Tag)
	set64(f, 16, l.Base)
	set16(f, 24, uint16(len(l.Path)))
	set16(f, 26, 0)
	set32(f, 28, 0)
	copy(r[32:], l.Path)
	return b
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
	b, r := extend(b, kind, 0, 16)
	f := r[:24]
	set64(f, 8, m.Tag)
	set32(f, 16, uint32(m.Code))
	set32(f, 20, 0)
	return b
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

// File types, as st_mode has them.
const (
	ModeType = 0o170000
	ModeDir  = 0o040000
	ModeFile = 0o100000
	ModeLink = 0o120000
)

// IsDir reports whether the name is a directory's.
func (n *Name) IsDir() bool { return n.Mode&ModeType == ModeDir }

// IsFile reports whether the name is a regular file's.
func (n *Name) IsFile() bool { return n.Mode&ModeType == ModeFile }

// AppendName appends a RecName.
func AppendName(b []byte, n *Name) []byte {
	b, r := extend(b, RecName, 0, 80+len(n.Name))
	f := r[:88]
	set64(f, 8, n.Ino)
	set64(f, 16, n.Size)
	set64(f, 24, uint64(n.MtimeSec))
	set64(f, 32, uint64(n.CtimeSec))
	set32(f, 40, n.MtimeNsec)
	set32(f, 44, n.CtimeNsec)
	set32(f, 48, n.Mode)
	set32(f, 52, n.UID)
	set32(f, 56, n.GID)
	set32(f, 60, n.Nlink)
	set64(f, 64, n.Rdev)
	set64(f, 72, n.Attrs)
	set16(f, 80, uint16(len(n.Name)))
	set16(f, 82, 0)
	set32(f, 84, 0)
	copy(r[88:], n.Name)
	return b
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

// Names reads as many records from the beginning of buf as are whole RecNames
// and find room, and returns how many and their size; 0 where the first is
// none of them, and Next tells what it is. It is Next and ParseName for what a
// listing is full of, in one loop.
func Names(buf []byte, into []Name) (n, size int) {
	const fixed = 88
	rest := buf
	for n < len(into) && len(rest) >= fixed {
		r := rest[:fixed]
		h := u64(r, 0)
		size := h >> 32
		end := fixed + uint64(u16(r, 80))
		if uint16(h) != RecName || size%8 != 0 || size > MaxRecord || size < end || size > uint64(len(rest)) {
			break
		}
		to := &into[n]
		to.Ino, to.Size = u64(r, 8), u64(r, 16)
		to.MtimeSec, to.CtimeSec = int64(u64(r, 24)), int64(u64(r, 32))
		to.MtimeNsec, to.CtimeNsec = u32(r, 40), u32(r, 44)
		to.Mode, to.UID, to.GID, to.Nlink = u32(r, 48), u32(r, 52), u32(r, 56), u32(r, 60)
		to.Rdev, to.Attrs = u64(r, 64), u64(r, 72)
		to.Name = rest[fixed:end]
		rest = rest[size:]
		n++
	}
	return n, len(buf) - len(rest)
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
	b, r := extend(b, RecPair, 0, 24+len(p.PathA)+len(p.PathB))
	f := r[:32]
	set64(f, 8, p.BaseA)
	set64(f, 16, p.BaseB)
	set16(f, 24, uint16(len(p.PathA)))
	set16(f, 26, uint16(len(p.PathB)))
	set32(f, 28, 0)
	copy(r[32:], p.PathA)
	copy(r[32+len(p.PathA):], p.PathB)
	return b
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
