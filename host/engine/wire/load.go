package wire

import "encoding/binary"

// Load is what a child is told first.
type Load struct {
	// Compile: only compile, and leave the result in the cache.
	Compile     bool
	MemoryPages uint32
	OpenFiles   uint32
	HighWater   uint64
	// Name is for errors.
	Name string
	Wasm []byte
}

const loadSize = 32

// Append encodes all but the module, which follows.
func (l *Load) Append(b []byte) []byte {
	var compile uint32
	if l.Compile {
		compile = 1
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, compile)
	b = le.AppendUint32(b, l.MemoryPages)
	b = le.AppendUint32(b, l.OpenFiles)
	b = le.AppendUint32(b, uint32(len(l.Name)))
	b = le.AppendUint64(b, l.HighWater)
	b = le.AppendUint64(b, uint64(len(l.Wasm)))
	return append(b, l.Name...)
}

// ParseLoad decodes it. Wasm shares b's memory.
func ParseLoad(b []byte) (l Load, ok bool) {
	if len(b) < loadSize {
		return l, false
	}
	le := binary.LittleEndian
	l = Load{Compile: le.Uint32(b) == 1, MemoryPages: le.Uint32(b[4:]), OpenFiles: le.Uint32(b[8:]), HighWater: le.Uint64(b[16:])}
	name, wasm := uint64(le.Uint32(b[12:])), le.Uint64(b[24:])
	b = b[loadSize:]
	if name > uint64(len(b)) || wasm != uint64(len(b))-name {
		return l, false
	}
	l.Name, l.Wasm = string(b[:name]), b[name:]
	return l, true
}
