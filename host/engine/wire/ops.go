package wire

import (
	"strings"

	"github.com/bulkhead/bulkhead/host/engine"
)

// Op is what a request asks for. The first are the imports, by their place in
// engine.Imports.
type Op uint16

// File calls: those of calls.Files, then those of calls.File, whose U[0] is
// the file's number.
const (
	OpOpenFile   Op = 0x100 + iota // U: mount, flags, perm; B: path; answers the file's number
	OpStat                         // U: mount, follow; B: path
	OpMkdir                        // U: mount, perm; B: path
	OpRenameFile                   // U: mount; B: from, to
	OpLinkFile                     // U: mount; B: from, to
	OpSymlink                      // U: mount; B: target, path
	OpReadlink                     // U: mount; B: path
	OpUnlink                       // U: mount; B: path
	OpRmdir                        // U: mount; B: path
	OpUtimens                      // U: mount; B: path; W: atim, mtim
	OpFileIsDir
	OpFileStat
	OpFileRead // Cap
	OpFilePread
	OpFileSeek    // W: offset; U: file, whence
	OpFileReaddir // U: file, how many
	OpFileWrite   // B: data
	OpFilePwrite  // B: data; W: offset
	OpFileTruncate
	OpFileSync
	OpFileUtimens
	OpFileSetAppend // U: file, on
	OpFileClose
	endOfFiles
)

// What a child says of itself.
const (
	OpReady   Op = 0x200 + iota // W: methods, a bit for each
	OpRefused                   // B: why the module was not loaded; U: whether it needs more memory than it may have
	OpLocks                     // B: why the process could not be locked
	OpGrow                      // W: bytes of memory more
	OpDone                      // U: code, cause, whether the instance may go on; B: detail
	endOfControl
)

// shape is what a request of one kind has.
type shape struct {
	known bool
	in    int  // buffers that it brings
	out   bool // whether it asks for bytes
}

var fileShapes = [endOfFiles - OpOpenFile]shape{
	0: {in: 1}, OpStat - OpOpenFile: {in: 1, out: true}, OpMkdir - OpOpenFile: {in: 1},
	OpRenameFile - OpOpenFile: {in: 2}, OpLinkFile - OpOpenFile: {in: 2}, OpSymlink - OpOpenFile: {in: 2},
	OpReadlink - OpOpenFile: {in: 1, out: true}, OpUnlink - OpOpenFile: {in: 1}, OpRmdir - OpOpenFile: {in: 1}, OpUtimens - OpOpenFile: {in: 1},
	OpFileStat - OpOpenFile: {out: true}, OpFileReaddir - OpOpenFile: {out: true},
	OpFileRead - OpOpenFile: {out: true}, OpFilePread - OpOpenFile: {out: true},
	OpFileWrite - OpOpenFile: {in: 1}, OpFilePwrite - OpOpenFile: {in: 1},
}

var controlShapes = [endOfControl - OpReady]shape{
	OpRefused - OpReady: {in: 1}, OpLocks - OpReady: {in: 1}, OpDone - OpReady: {in: 1},
}

var imports = engine.Imports()

func (op Op) shape() shape {
	var s shape
	switch {
	case int(op) < len(imports):
		of := imports[op].Shape
		s = shape{in: strings.Count(of, "b"), out: strings.Contains(of, "o")}
	case op >= OpOpenFile && op < endOfFiles:
		s = fileShapes[op-OpOpenFile]
	case op >= OpReady && op < endOfControl:
		s = controlShapes[op-OpReady]
	default:
		return s
	}
	s.known = true
	return s
}

// IsImport reports whether op is one of abi.Module.
func (op Op) IsImport() bool { return int(op) < len(imports) }

// Import is the import that op stands for.
func (op Op) Import() engine.Import { return imports[op] }

// IsFile reports whether op is a file call.
func (op Op) IsFile() bool { return op >= OpOpenFile && op < endOfFiles }
