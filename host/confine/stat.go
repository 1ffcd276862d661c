package confine

import (
	"golang.org/x/sys/unix"
)

// Stat is an lstat.
type Stat struct {
	Dev, Ino   uint64
	Mode       uint32 // st_mode
	UID, GID   uint32
	Nlink      uint64
	Rdev       uint64
	Size       int64
	Atim, Mtim Time
	Ctim       Time
}

// Time is a file's time.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Before reports whether t is earlier than o.
func (t Time) Before(o Time) bool { return t.Sec < o.Sec || t.Sec == o.Sec && t.Nsec < o.Nsec }

// Type is the S_IFMT part of the mode.
func (s *Stat) Type() uint32 { return s.Mode & unix.S_IFMT }

func fromStat(st *unix.Stat_t) Stat {
	return Stat{
		Dev: st.Dev, Ino: st.Ino, Mode: st.Mode, UID: st.Uid, GID: st.Gid,
		Nlink: uint64(st.Nlink), Rdev: st.Rdev, Size: st.Size,
		Atim: Time{st.Atim.Sec, uint32(st.Atim.Nsec)},
		Mtim: Time{st.Mtim.Sec, uint32(st.Mtim.Nsec)},
		Ctim: Time{st.Ctim.Sec, uint32(st.Ctim.Nsec)},
	}
}

func statAt(dirfd int, name string) (Stat, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Stat{}, err
	}
	return fromStat(&st), nil
}

func statFd(fd int) (Stat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Stat{}, err
	}
	return fromStat(&st), nil
}

// Lstat looks at p without following a last symlink. A Dir that believes
// records shows what they say.
func (d *Dir) Lstat(p string, how How) (Stat, error) {
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, how)
	if err != nil {
		return Stat{}, err
	}
	defer unix.Close(fd)
	st, _, err := d.look(fd, p, how)
	return st, err
}

// Stat looks at p, following symlinks within the directory.
func (d *Dir) Stat(p string, how How) (Stat, error) {
	fd, err := d.open(p, unix.O_PATH, 0, how)
	if err != nil {
		return Stat{}, err
	}
	defer unix.Close(fd)
	st, err := statFd(fd)
	if err == nil {
		err = d.rec.lookInode(fd, &st)
	}
	return st, err
}

func timespec(t Time) unix.Timespec { return unix.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)} }

// setTimes sets both times of name in dirfd itself, not of what it links to.
func setTimesAt(dirfd int, name string, mtime Time) error {
	ts := []unix.Timespec{timespec(mtime), timespec(mtime)}
	return unix.UtimesNanoAt(dirfd, name, ts, unix.AT_SYMLINK_NOFOLLOW)
}
