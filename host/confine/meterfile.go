package confine

import (
	"golang.org/x/sys/unix"
)

// Metered is an open file as its meter knows it. The zero Metered is one that
// nothing is counted of.
type Metered struct {
	m   *Meter
	f   *meteredFile
	ino uint64
}

// opened remembers a regular file that open opens: while it is open, what it
// takes is not credited. ours is a new one that the host is about to fill.
func (m *Meter) opened(ours bool, open func() (int, error)) (int, Metered, error) {
	if m == nil {
		fd, err := open()
		return fd, Metered{}, err
	}
	m.names.Lock()
	defer m.names.Unlock()
	fd, err := open()
	if err != nil || fd < 0 {
		return -1, Metered{}, err
	}
	st, err := statFd(fd)
	if err != nil {
		unix.Close(fd)
		return -1, Metered{}, err
	}
	if st.Type() != unix.S_IFREG {
		return fd, Metered{}, nil
	}
	if st.Nlink == 0 { // it was removed, and credited, after it was looked at
		unix.Close(fd)
		return -1, Metered{}, unix.ENOENT
	}
	f := m.files[st.Ino]
	if f == nil {
		f = &meteredFile{ours: ours}
		m.files[st.Ino] = f
	}
	f.refs++
	return fd, Metered{m, f, st.Ino}, nil
}

// Close is called before the descriptor is closed.
func (o Metered) Close(fd int) {
	if o.m == nil {
		return
	}
	o.m.names.Lock()
	defer o.m.names.Unlock()
	if o.f.refs--; o.f.refs > 0 {
		return
	}
	delete(o.m.files, o.ino)
	if st, err := statFd(fd); err == nil && o.f.gone {
		o.m.credit(st.used(), 0)
	}
}

// Write runs a write of n bytes at an offset, -1 for where the file stands, and
// counts how much longer the file gets.
func (o Metered) Write(fd int, off int64, n int, do func() (int, error)) (int, error) {
	if o.m == nil {
		return do()
	}
	var done int
	err := o.resize(fd, func(size int64) (int64, error) {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return 0, err
		}
		if flags&unix.O_APPEND != 0 { // whatever the offset: pwrite(2)
			return size + int64(n), nil
		}
		if off >= 0 {
			return max(size, off+int64(n)), nil
		}
		at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
		return max(size, at+int64(n)), err
	}, func() (err error) {
		done, err = do()
		return err
	})
	return done, err
}

// Truncate makes the file as long as it is to be.
func (o Metered) Truncate(fd int, size int64) error {
	do := func() error { return unix.Ftruncate(fd, size) }
	if o.m == nil {
		return do()
	}
	return o.resize(fd, func(int64) (int64, error) { return size, nil }, do)
}

// resize counts before it is done what the file will be, and afterwards what
// it is. A file that the host is filling is let alone.
func (o Metered) resize(fd int, to func(size int64) (int64, error), do func() error) error {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	if o.f.ours {
		return unix.EBUSY
	}
	st, err := statFd(fd)
	if err != nil {
		return err
	}
	size, err := to(st.Size)
	if err != nil {
		return err
	}
	if size < 0 {
		return unix.EFBIG
	}
	was := blocksOf(st.Size)
	more := max(blocksOf(size)-was, 0)
	if err := o.m.take(more, 0); err != nil {
		return err
	}
	err = do()
	if now, serr := statFd(fd); serr == nil {
		back := was + more - blocksOf(now.Size)
		if o.m.Loose() {
			back = min(back, more)
		}
		o.m.give(back, 0)
	}
	return err
}

// filling is a file that the host makes with a content it knows the length of.
type filling struct {
	Metered
	took int64
}

// fill counts a file that is about to be made, and makes it.
func (m *Meter) fill(size int64, create func() (int, error)) (int, filling, error) {
	if m == nil {
		fd, err := create()
		return fd, filling{}, err
	}
	took := blocksOf(size)
	if err := m.take(took, 1); err != nil {
		return -1, filling{}, err
	}
	fd, held, err := m.opened(true, create)
	if err != nil {
		m.give(took, 1)
		return -1, filling{}, err
	}
	return fd, filling{held, took}, nil
}

// end is called before the descriptor is closed: what did not come is given
// back.
func (f filling) end(fd int) {
	if f.m == nil {
		return
	}
	if st, err := statFd(fd); err == nil {
		f.m.give(f.took-st.used(), 0)
	}
	f.f.mu.Lock()
	f.f.ours = false
	f.f.mu.Unlock()
	f.Close(fd)
}
