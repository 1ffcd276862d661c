package abi

import "bytes"

// Spec says how a layer's tree is to be made of directories of the home.
//
//	0 u16 kind, Spec*
//	2 u16 flags, SpecWritable and SpecUserAttrs (SpecOverlay only)
//	4 u32 zero
//	8 paths, with a NUL between each two
type Spec struct {
	Kind  uint16
	Flags uint16
	// Paths are relative to the home. SpecDir has one. SpecOverlay has the
	// lower directories, the top first; with SpecWritable the upper and the
	// work directory come before them.
	Paths []string
}

// DirSpec is the spec of a tree in one directory.
func DirSpec(path string) Spec { return Spec{Kind: SpecDir, Paths: []string{path}} }

// AppendFieldSpec appends a FieldSpec.
func AppendFieldSpec(b []byte, s Spec) []byte {
	v := put16(nil, s.Kind)
	v = put16(v, s.Flags)
	v = put32(v, 0)
	for i, p := range s.Paths {
		if i > 0 {
			v = append(v, 0)
		}
		v = append(v, p...)
	}
	return AppendField(b, FieldSpec, v)
}

// Spec reads a FieldSpec. Kinds are not judged, nor are paths.
func (f Field) Spec() (s Spec, ok bool) {
	if len(f.Value) < 8 {
		return s, false
	}
	s = Spec{Kind: u16(f.Value, 0), Flags: u16(f.Value, 2)}
	for p := range bytes.SplitSeq(f.Value[8:], []byte{0}) {
		s.Paths = append(s.Paths, string(p))
	}
	return s, true
}
