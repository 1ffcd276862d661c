package confine

import (
	"archive/tar"
	"context"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

func (t *TarWriter) read() {
	defer t.readers.Done()
	var at lastDir
	defer at.close()
	for it := range t.prepare {
		if t.ctx.Err() == nil {
			it.err = t.load(&at, it)
		} else {
			it.err = context.Cause(t.ctx)
		}
		it.leave()
		close(it.ready)
	}
}

// load looks at a file, fills its header and reads it if it is small.
func (t *TarWriter) load(at *lastDir, it *tarItem) error {
	d, err := it.base.at(it.path)
	if err != nil {
		return it.unlessGone(err)
	}
	fd, hasAttrs, err := it.look(at, d)
	if err != nil {
		return it.unlessGone(err)
	}
	if it.self == nil {
		defer unix.Close(fd)
	}
	var link *linkRecord
	if it.st, link, err = d.look(fd, it.path, NoLinks); err != nil {
		return err
	}
	if err := t.header(it, d.rec, fd, link, hasAttrs); err != nil {
		return &PathError{Op: "read", Path: it.path, Err: err}
	}
	if it.body != nil && it.st.Size != it.size {
		return &PathError{Op: "read", Path: it.path, Err: io.ErrUnexpectedEOF}
	}
	if it.body != nil || it.st.Type() != unix.S_IFREG || it.st.Size == 0 || it.st.Nlink > 1 {
		return nil // links are read by the writer, which knows which came first
	}
	return t.open(at, it, fd)
}

// look opens what the item is of, or has it at hand.
func (it *tarItem) look(at *lastDir, d *Dir) (fd int, hasAttrs bool, err error) {
	switch {
	case it.self != nil:
		return it.self.fd, it.selfAttrs, nil
	case it.dir != nil:
		return it.dir.look(it.path)
	}
	return at.open(d, it.path)
}

// leave releases what was at hand.
func (it *tarItem) leave() {
	it.dir.release()
	it.self.release()
}

func (it *tarItem) unlessGone(err error) error {
	if it.mayGo && isErrno(err, unix.ENOENT) {
		it.gone = true
		return nil
	}
	return err
}

// openLink opens what lies at p itself, to look at it.
func openLink(t Tree, p string) (*Dir, int, error) {
	d, err := t.at(p)
	if err != nil {
		return nil, -1, err
	}
	fd, err := d.open(p, unix.O_PATH|unix.O_NOFOLLOW, 0, NoLinks)
	return d, fd, err
}

// buffer is of n bytes, at most tarHold.
func (t *TarWriter) buffer(n int) []byte {
	if b, ok := t.held.Get().(*[]byte); ok && cap(*b) >= n {
		return (*b)[:n]
	}
	return make([]byte, n, max(n, 8<<10))
}

func (t *TarWriter) open(at *lastDir, it *tarItem, pathFd int) error {
	fd, err := at.reopen(pathFd)
	if err != nil {
		return &PathError{Op: "open", Path: it.path, Err: err}
	}
	if it.st.Size > tarHold {
		it.fd = fd
		return nil
	}
	defer unix.Close(fd)
	it.held = t.buffer(int(it.st.Size))
	if _, err := io.ReadFull(fdReader(fd), it.held); err != nil {
		return &PathError{Op: "read", Path: it.path, Err: err}
	}
	return nil
}

func (t *TarWriter) header(it *tarItem, rec *records, fd int, link *linkRecord, hasAttrs bool) error {
	h, st := it.hdr, &it.st
	h.Format = tar.FormatPAX
	h.Mode = int64(st.Mode & 0o7777)
	h.ModTime = time.Unix(st.Mtim.Sec, int64(st.Mtim.Nsec))
	uid, gid := st.UID, st.GID
	if t.owners != nil {
		uid, gid = t.owners(uid, gid)
	}
	h.Uid, h.Gid = int(uid), int(gid)
	switch st.Type() {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
		target, err := readlinkFd(fd)
		if err != nil {
			return err
		}
		h.Linkname = target
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFSOCK:
		h.Typeflag = 0 // passed over: a socket means nothing in an archive
		return nil
	}
	if st.Type() == unix.S_IFCHR || st.Type() == unix.S_IFBLK {
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	if !hasAttrs && link == nil {
		return nil
	}
	attrs, err := rec.xattrs(fd, link)
	if err != nil {
		return err
	}
	return setXattrs(h, attrs)
}

func setXattrs(h *tar.Header, attrs []layertar.Xattr) error {
	for _, x := range attrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+x.Name] = x.Value
	}
	return nil
}
