package confine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Used is what a tree takes up: names, and bytes in blocks. A file counts as
// large as it shows, holes included, since a copy may fill them; attributes do
// not count, they are bounded by the file.
type Used struct {
	Blocks, Inodes int64
}

// block is what sizes are rounded up to.
const block = 4096

func blocksOf(size int64) int64 {
	if size > 1<<62 {
		return 1 << 62
	}
	return (max(size, 0) + block - 1) &^ (block - 1)
}

// used is what one name takes up, the last of its inode.
func (s *Stat) used() int64 {
	switch s.Type() {
	case unix.S_IFREG, unix.S_IFLNK:
		return blocksOf(s.Size)
	case unix.S_IFDIR:
		return block
	}
	return 0
}

// Meter counts what lies beneath a directory as it is made, grows and is
// removed, and refuses what would be more than its bounds: before it is done,
// so that nothing is undone. It sees what is done through a Dir that has it. A
// nil Meter counts nothing. It is safe for concurrent use.
type Meter struct {
	most   Used // 0 is no bound
	over   func(what string, most int64) error
	parent *Meter
	now    struct{ blocks, inodes atomic.Int64 }
	// loose: others write here too, whose work is not seen, so that what they
	// made must not be credited when it is removed.
	loose atomic.Bool

	// names is held while a name is looked at and then taken away or moved, and
	// while a file is opened: what was looked at is then what is meant.
	names sync.Mutex
	files map[uint64]*meteredFile // open ones, by inode; guarded by names
}

type meteredFile struct {
	mu   sync.Mutex // held while its size changes
	refs int
	// ours: the host is filling it, and has taken what it will need.
	ours bool
	// gone: its last name was removed; what it takes is credited when it is
	// closed.
	gone bool
}

// NewMeter starts at what is there. over makes the error for a bound: "blocks"
// or "inodes".
func NewMeter(at, most Used, over func(what string, most int64) error) *Meter {
	m := &Meter{most: most, over: over, files: map[uint64]*meteredFile{}}
	m.Set(at)
	return m
}

// Child counts another tree into m as well.
func (m *Meter) Child() *Meter {
	if m == nil {
		return nil
	}
	return &Meter{parent: m, files: map[uint64]*meteredFile{}}
}

// End gives back to its parent all that a child has counted.
func (m *Meter) End() {
	if m != nil {
		now := m.Now()
		m.parent.add(-now.Blocks, -now.Inodes)
	}
}

// Now is what has been counted.
func (m *Meter) Now() Used { return Used{m.now.blocks.Load(), m.now.inodes.Load()} }

// Set replaces what has been counted.
func (m *Meter) Set(u Used) {
	m.now.blocks.Store(u.Blocks)
	m.now.inodes.Store(u.Inodes)
}

// Loosen says that from now on others write here too.
func (m *Meter) Loosen() {
	if m != nil {
		m.loose.Store(true)
	}
}

// Loose reports whether others write here too.
func (m *Meter) Loose() bool { return m != nil && m.loose.Load() }

// Near reports whether little is left.
func (m *Meter) Near() bool {
	near := func(now, most int64) bool { return most > 0 && now > most/4*3 }
	now := m.Now()
	return near(now.Blocks, m.most.Blocks) || near(now.Inodes, m.most.Inodes)
}

// take counts what is about to be made.
func (m *Meter) take(blocks, inodes int64) error {
	if m == nil {
		return nil
	}
	if err := m.parent.take(blocks, inodes); err != nil {
		return err
	}
	m.add(blocks, inodes)
	var err error
	if now := m.now.blocks.Load(); blocks > 0 && m.most.Blocks > 0 && now > m.most.Blocks {
		err = m.over("blocks", m.most.Blocks)
	} else if now := m.now.inodes.Load(); inodes > 0 && m.most.Inodes > 0 && now > m.most.Inodes {
		err = m.over("inodes", m.most.Inodes)
	}
	if err != nil {
		m.add(-blocks, -inodes)
		m.parent.give(blocks, inodes)
	}
	return err
}

// give takes back what take counted.
func (m *Meter) give(blocks, inodes int64) {
	if m != nil {
		m.add(-blocks, -inodes)
		m.parent.give(blocks, inodes)
	}
}

func (m *Meter) add(blocks, inodes int64) {
	if m != nil {
		m.now.blocks.Add(blocks)
		m.now.inodes.Add(inodes)
	}
}

// credit is give for what was found and removed.
func (m *Meter) credit(blocks, inodes int64) {
	if !m.Loose() && !m.parent.Loose() {
		m.give(blocks, inodes)
	}
}

// create counts one new name that takes that many bytes.
func (m *Meter) create(bytes int64, do func() error) error {
	if m == nil {
		return do()
	}
	if err := m.take(blocksOf(bytes), 1); err != nil {
		return err
	}
	err := do()
	if err != nil {
		m.give(blocksOf(bytes), 1)
	}
	return err
}

// unlink removes a name, and credits it.
func (m *Meter) unlink(dirfd int, name string, flags int) error {
	if m == nil {
		return unix.Unlinkat(dirfd, name, flags)
	}
	m.names.Lock()
	defer m.names.Unlock()
	st, err := statAt(dirfd, name)
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(dirfd, name, flags); err != nil {
		return err
	}
	m.lost(&st)
	return nil
}

// lost credits a name that is gone. names is held.
func (m *Meter) lost(st *Stat) {
	switch f := m.files[st.Ino]; {
	case st.Type() != unix.S_IFDIR && st.Nlink > 1:
		m.credit(0, 1)
	case f != nil && st.Type() == unix.S_IFREG:
		f.gone = true
		m.credit(0, 1)
	default:
		m.credit(st.used(), 1)
	}
}

// rename moves a name; what it replaces is credited.
func (m *Meter) rename(fromDir int, from string, toDir int, to string, flags uint) error {
	if m == nil {
		return unix.Renameat2(fromDir, from, toDir, to, flags)
	}
	m.names.Lock()
	defer m.names.Unlock()
	for {
		st, err := statAt(fromDir, from)
		if err != nil {
			return err
		}
		was, err := statAt(toDir, to)
		if errors.Is(err, unix.ENOENT) {
			// What is made there meanwhile must not be replaced unseen.
			err = unix.Renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
			if errors.Is(err, unix.EINVAL) { // not every file system can
				err = unix.Renameat2(fromDir, from, toDir, to, 0)
			} else if errors.Is(err, unix.EEXIST) && flags == 0 {
				continue
			}
			return err
		}
		if err != nil {
			return err
		}
		err = unix.Renameat2(fromDir, from, toDir, to, flags)
		if err == nil && was.Ino != st.Ino { // two names of one file stay both
			m.lost(&was)
		}
		return err
	}
}

// link makes a further name.
func (m *Meter) link(do func() error) error {
	if m == nil {
		return do()
	}
	m.names.Lock()
	defer m.names.Unlock()
	return m.create(0, do)
}

// Measure counts what lies beneath a directory. It does not cross mounts.
func (d *Dir) Measure(ctx context.Context) (Used, error) {
	var u Used
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0, NoLinks)
	if err != nil {
		return u, err
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err == nil {
		err = u.measure(ctx, fd, st.Dev, map[uint64]struct{}{}, 0)
	}
	return u, err
}

func (u *Used) measure(ctx context.Context, fd int, dev uint64, seen map[uint64]struct{}, depth int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if depth > maxDepth {
		return unix.ENAMETOOLONG
	}
	names, err := readNames(fd)
	if err != nil {
		return err
	}
	for _, n := range names {
		st, err := statAt(fd, n.name)
		if errors.Is(err, unix.ENOENT) || err == nil && st.Dev != dev {
			continue
		}
		if err != nil {
			return err
		}
		u.Inodes++
		if st.Type() == unix.S_IFDIR {
			u.Blocks += block
			sub, err := openDirAt(fd, n.name)
			if err == nil {
				err = u.measure(ctx, sub, dev, seen, depth+1)
				unix.Close(sub)
			}
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
			continue
		}
		if st.Nlink > 1 {
			if _, known := seen[st.Ino]; known {
				continue
			}
			seen[st.Ino] = struct{}{}
		}
		u.Blocks += st.used()
	}
	return nil
}
