package wire

import "github.com/bulkhead/bulkhead/host/engine"

// ChildName is the first word of a child's command line; the second is the
// name of its module, for who looks at processes.
const ChildName = "bulkhead-driver"

const (
	// MaxDetail is the longest text for people.
	MaxDetail = 4 << 10
	// MaxTransfer is the most of a file that is read or written at once.
	MaxTransfer = 1 << 20
	// MaxNames is the longest answer of stat, readlink and readdir, and
	// MaxDirEntries the most names in one.
	MaxNames      = 64 << 10
	MaxDirEntries = 200
	// MaxPath is the longest path.
	MaxPath = 64 << 10
)

// causes are those that a child tells of, by number; 0 is none.
var causes = [...]engine.Cause{"", engine.CauseTrap, engine.CauseExit, engine.CauseMemory, engine.CauseBudget, engine.CausePanic}

// CauseNumber is how a cause is told.
func CauseNumber(c engine.Cause) uint32 {
	for i, known := range causes {
		if known == c {
			return uint32(i)
		}
	}
	return 1
}

// CauseOf is the cause that a child told of.
func CauseOf(n uint32) (engine.Cause, bool) {
	if n >= uint32(len(causes)) {
		return "", false
	}
	return causes[n], true
}
