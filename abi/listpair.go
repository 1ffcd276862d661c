package abi

// ListPair asks readdir_plus for one directory of two trees, without the
// names on which they agree (README.md says what that means). The answer is
// that to two Lists, the old tree's with Tag and then the new one's with Tag+1.
//
//	0  header: kind RecListPair, flags List*
//	8  u64 tag
//	16 u64 base of the old tree
//	24 u64 base of the new tree
//	32 i64 created, seconds
//	40 u32 created, nanoseconds
//	44 u16 1 if created is known
//	46 u16 length of path
//	48 path ("" or "." is the base itself)
type ListPair struct {
	Flags        uint16
	Tag          uint64
	Old, New     uint64
	CreatedSec   int64
	CreatedNsec  uint32
	CreatedKnown bool
	Path         []byte
}

// AppendListPair appends a RecListPair.
func AppendListPair(b []byte, l ListPair) []byte {
	b, r := extend(b, RecListPair, l.Flags, 40+len(l.Path))
	f := r[:48]
	set64(f, 8, l.Tag)
	set64(f, 16, l.Old)
	set64(f, 24, l.New)
	set64(f, 32, uint64(l.CreatedSec))
	set32(f, 40, l.CreatedNsec)
	set16(f, 44, 0)
	if l.CreatedKnown {
		set16(f, 44, 1)
	}
	set16(f, 46, uint16(len(l.Path)))
	copy(r[48:], l.Path)
	return b
}

// ParseListPair reads a RecListPair.
func ParseListPair(r Record) (l ListPair, ok bool) {
	b := r.Body
	if r.Kind != RecListPair || len(b) < 40 || u16(b, 36) > 1 {
		return l, false
	}
	p, ok := span(b, 40, int(u16(b, 38)))
	return ListPair{
		Flags: r.Flags, Tag: u64(b, 0), Old: u64(b, 8), New: u64(b, 16),
		CreatedSec: int64(u64(b, 24)), CreatedNsec: u32(b, 32), CreatedKnown: u16(b, 36) == 1, Path: p,
	}, ok
}
