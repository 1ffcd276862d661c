package treediff

import "github.com/bulkhead/bulkhead/abi"

// Node is one name of a directory with its lstat, as readdir_plus gives it, so
// that a guest need not turn one into the other.
type Node = abi.Name

// File types, as st_mode has them.
const (
	typeMask = abi.ModeType
	typeDir  = abi.ModeDir
	typeFile = abi.ModeFile
	typeLink = abi.ModeLink
)

// slack is how far a ctime may lag behind the clock: the kernel stamps files
// with the time of its last tick.
const slack = 20_000_000

// Created is the moment at which the new tree was a copy of the old one.
type Created struct {
	Sec   int64
	Nsec  uint32
	Known bool
}

// before reports whether a ctime is safely earlier.
func (c Created) before(sec int64, nsec uint32) bool {
	limit, rest := c.Sec, int64(c.Nsec)-slack
	if rest < 0 {
		limit, rest = limit-1, rest+1_000_000_000
	}
	return c.Known && (sec < limit || sec == limit && int64(nsec) < rest)
}

// verdict is what metadata alone says about a name that both trees have.
type verdict uint8

const (
	same verdict = iota
	different
	askContent
)

// Agree reports whether metadata alone says that nothing has happened to a
// name. Of a directory that says nothing of what lies in it. Of a file with
// several names it says that only if it is the very same file: to see whether
// names were linked otherwise Compare has to see them all.
func Agree(old, new *Node, opts Options) bool {
	if new.Nlink > 1 && !new.IsDir() && new.Ino != old.Ino {
		return false
	}
	return judge(old, new, opts) == same
}

// judge compares two nodes of one name. A directory's size and times follow
// from what happens to its entries and do not count, as in moby.
func judge(a, b *Node, opts Options) verdict {
	if a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Rdev != b.Rdev || a.Attrs != b.Attrs {
		return different
	}
	kind := a.Mode & typeMask
	if kind == typeDir {
		if opts.DirTimes && (a.MtimeSec != b.MtimeSec || a.MtimeNsec != b.MtimeNsec) {
			return different
		}
		return same
	}
	// Another number of links means that a name of the same file came or
	// went, and an archive must show the group.
	if a.Size != b.Size || a.MtimeSec != b.MtimeSec || a.MtimeNsec != b.MtimeNsec || a.Nlink != b.Nlink {
		return different
	}
	if kind != typeFile && kind != typeLink || kind == typeFile && a.Size == 0 {
		return same
	}
	if opts.Created.before(a.CtimeSec, a.CtimeNsec) && opts.Created.before(b.CtimeSec, b.CtimeNsec) {
		return same
	}
	return askContent
}
