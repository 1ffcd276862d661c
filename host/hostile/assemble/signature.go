package assemble

import (
	"maps"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
)

// Signature is that of an import of the ABI.
func Signature(name string) (in, out []byte) {
	shape, known := shapes()[name]
	if !known {
		panic("the ABI has no import " + name)
	}
	out = []byte{I32}
	for _, c := range shape {
		switch c {
		case 'b': // a pointer and a length
			in = append(in, I32, I32)
		case 'w':
			in = append(in, I64)
		case 'u':
			in = append(in, I32)
		case '+':
			out = []byte{I64}
		}
	}
	return in, out
}

// shapes are the imports of abi/README.md, section 4.
func shapes() map[string]string {
	return map[string]string{
		abi.ImportCallArgs: "b", abi.ImportResult: "b", abi.ImportFail: "ubb", abi.ImportLog: "ub",
		abi.ImportLock: "bu", abi.ImportExt: "ub", abi.ImportBaseOpen: "b+", abi.ImportBaseStack: "bu+",
		abi.ImportMakeDir: "wbu", abi.ImportRename: "wbb", abi.ImportChmod: "wbu", abi.ImportLchown: "wbuu",
		abi.ImportLutimes: "wbwu", abi.ImportMknod: "wbuuu", abi.ImportLink: "wbb",
		abi.ImportXattrGet: "wbbb", abi.ImportXattrSet: "wbbb", abi.ImportXattrList: "wbb", abi.ImportXattrRemove: "wbb",
		abi.ImportReaddirPlus: "bb", abi.ImportFilesEqual: "bb",
		abi.ImportTreeCopy: "wbwb", abi.ImportTreeRemove: "wb", abi.ImportTreeUsage: "wb+",
		abi.ImportEntriesNext: "b", abi.ImportEntryAttr: "wub", abi.ImportEntryRead: "wb", abi.ImportActions: "b", abi.ImportStreamRead: "b",
		abi.ImportDiffEmit: "b", abi.ImportEntryWrite: "b", abi.ImportStreamWrite: "b", abi.ImportChangesEmit: "b",
	}
}

// Imports are the names of all imports of the ABI; each takes a pointer and a
// length.
func Imports() []string {
	return slices.Sorted(maps.Keys(shapes()))
}

// Paired reports whether parameter i of an import is a pointer or its length.
func Paired(name string, i int) bool {
	for _, c := range shapes()[name] {
		n := 1
		if c == 'b' {
			n = 2
		}
		if i < n {
			return c == 'b'
		}
		i -= n
	}
	return false
}
