package wire

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
)

// AnswerSize is the length of an answer's head. The bytes asked for follow.
const AnswerSize = 16

// Answer is what the host says: to a request, or of its own accord to load a
// module (Ret is Load) and to call it (Ret is the method, and Once).
type Answer struct {
	Len   uint32 // of what follows
	Errno syscall.Errno
	Ret   int64
}

// Once, beside a method, has the call run in an instance of its own that is
// gone before the call is said to be done.
const Once = 1 << 16

// Put encodes a.
func (a Answer) Put(to *[AnswerSize]byte) {
	le := binary.LittleEndian
	le.PutUint32(to[0:], a.Len)
	le.PutUint32(to[4:], uint32(a.Errno))
	le.PutUint64(to[8:], uint64(a.Ret))
}

// ParseAnswer decodes an answer's head.
func ParseAnswer(head *[AnswerSize]byte) Answer {
	le := binary.LittleEndian
	return Answer{le.Uint32(head[0:]), syscall.Errno(le.Uint32(head[4:])), int64(le.Uint64(head[8:]))}
}

// statSize is the length of a FileStat.
const statSize = 8 * 8

// AppendStat encodes what a guest learns of a file.
func AppendStat(b []byte, st calls.FileStat) []byte {
	for _, v := range [...]uint64{
		st.Dev, st.Ino, uint64(st.Mode), st.Nlink, uint64(st.Size), uint64(st.Atim), uint64(st.Mtim), uint64(st.Ctim),
	} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// ParseStat decodes it.
func ParseStat(b []byte) (calls.FileStat, error) {
	if len(b) != statSize {
		return calls.FileStat{}, errShort
	}
	v := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return calls.FileStat{
		Dev: v(0), Ino: v(1), Mode: fs.FileMode(v(2)), Nlink: v(3), Size: int64(v(4)), Atim: int64(v(5)), Mtim: int64(v(6)), Ctim: int64(v(7)),
	}, nil
}

var errShort = errors.New("an answer is cut short")

// AppendDirEntry encodes one name of a directory.
func AppendDirEntry(b []byte, d calls.DirEntry) []byte {
	b = binary.LittleEndian.AppendUint64(b, d.Ino)
	b = binary.LittleEndian.AppendUint32(b, uint32(d.Type))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(d.Name)))
	return append(b, d.Name...)
}

// ParseDirEntries decodes names.
func ParseDirEntries(b []byte) (list []calls.DirEntry, err error) {
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 16 || uint64(len(b)-16) < uint64(le.Uint32(b[12:])) {
			return nil, errShort
		}
		n := 16 + int(le.Uint32(b[12:]))
		list = append(list, calls.DirEntry{Ino: le.Uint64(b), Type: fs.FileMode(le.Uint32(b[8:])), Name: string(b[16:n])})
		b = b[n:]
	}
	return list, nil
}
