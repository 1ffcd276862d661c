package confine

import (
	"archive/tar"
	"bufio"
	"context"
	"io"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	tarQueue   = 64       // entries prepared ahead of the one being written
	tarHold    = 64 << 10 // files up to this size are read ahead, in bytes
	tarReaders = 2
	whPrefix   = ".wh."
)

// TarBuffer is what a TarWriter writes at a time, in bytes: whoever reads takes
// turns with the writer, which costs more than a header does.
const TarBuffer = 128 << 10

// TarWriter writes the archive of a layer from files beneath directories. What
// is emitted is read ahead by others and written in order; a full queue makes
// emitting wait. Directories that lead to an entry come before it by
// themselves. Its methods are for one goroutine.
type TarWriter struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	out     *bufio.Writer
	entries *tarEntries
	queue   chan *tarItem
	prepare chan *tarItem
	readers sync.WaitGroup
	written chan struct{} // closed when the writing goroutine has ended
	dirs    map[string]struct{}
	owners  func(uid, gid uint32) (uint32, uint32)
	held    sync.Pool // of *[]byte, for the content of files
	buf     []byte    // of copy
}

type tarItem struct {
	base Tree
	path string   // "" for an entry without a file
	dir  *openDir // which path lies in, if it is at hand
	self *openDir // which path is, if it is at hand
	// selfAttrs: self has attributes.
	selfAttrs bool
	hdr       *tar.Header
	st        Stat
	held      []byte
	fd        int
	body      io.Reader
	size      int64 // of body, for a file with a content of its own
	ready     chan struct{}
	err       error
	// mayGo says that a file which is not there any more is left out.
	mayGo, gone bool
}

// NewTarWriter starts an archive on w. owners maps a file's owner to what the
// archive says; nil keeps it. Close ends it.
func NewTarWriter(ctx context.Context, w io.Writer, owners func(uid, gid uint32) (uint32, uint32)) *TarWriter {
	ctx, cancel := context.WithCancelCause(ctx)
	out := bufio.NewWriterSize(w, TarBuffer)
	t := &TarWriter{
		ctx: ctx, cancel: cancel, out: out, entries: newTarEntries(out), owners: owners,
		queue: make(chan *tarItem, tarQueue), prepare: make(chan *tarItem, tarQueue),
		written: make(chan struct{}), dirs: map[string]struct{}{".": {}},
	}
	for range tarReaders {
		t.readers.Add(1)
		go t.read()
	}
	go t.write()
	return t
}

// File emits whatever lies at p beneath base as name.
func (t *TarWriter) File(base Tree, p, name string) error {
	if err := t.lead(base, path.Dir(p), path.Dir(name)); err != nil {
		return err
	}
	return t.put(base, p, name)
}

func (t *TarWriter) put(base Tree, p, name string) error {
	t.dirs[name] = struct{}{}
	return t.push(&tarItem{base: base, path: p, hdr: &tar.Header{Name: name}})
}

// putIfThere is put of what was seen and may be gone by now.
func (t *TarWriter) putIfThere(it *tarItem) error {
	t.dirs[it.hdr.Name] = struct{}{}
	it.mayGo = true
	return t.push(it)
}

// lead emits the directories above name that were not emitted yet. It stops
// where path and name part, since nothing says what lies above then.
func (t *TarWriter) lead(base Tree, p, name string) error {
	if _, ok := t.dirs[name]; ok || base == nil || path.Base(p) != path.Base(name) {
		return nil
	}
	if err := t.lead(base, path.Dir(p), path.Dir(name)); err != nil {
		return err
	}
	return t.put(base, p, name)
}

// OwnContent emits what lies at p, a regular file, with a content that body
// gives in place of the file's: exactly the returned size.
func (t *TarWriter) OwnContent(base Tree, p, name string, body io.Reader) (size int64, err error) {
	if err := t.lead(base, path.Dir(p), path.Dir(name)); err != nil {
		return 0, err
	}
	dir, err := base.at(p)
	if err != nil {
		return 0, err
	}
	st, err := dir.Lstat(p, NoLinks)
	if err != nil {
		return 0, err
	}
	if st.Type() != unix.S_IFREG {
		return 0, &PathError{Op: "archive", Path: p, Err: unix.EINVAL}
	}
	t.dirs[name] = struct{}{}
	return st.Size, t.push(&tarItem{base: base, path: p, hdr: &tar.Header{Name: name}, body: body, size: st.Size})
}

// Whiteout emits the deletion of name. base, if not nil, holds the directories
// that lead there.
func (t *TarWriter) Whiteout(base Tree, name string) error {
	dir, last := path.Split(name)
	if err := t.lead(base, path.Clean("./"+dir), path.Clean("./"+dir)); err != nil {
		return err
	}
	return t.Entry(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whPrefix + last, ModTime: time.Unix(0, 0)}, nil)
}

// Entry emits an entry with a content of its own; body is read by another
// goroutine until hdr.Size.
func (t *TarWriter) Entry(hdr *tar.Header, body io.Reader) error {
	it := &tarItem{hdr: hdr, body: body, fd: -1, ready: make(chan struct{})}
	close(it.ready)
	return t.enqueue(it)
}

func (t *TarWriter) push(it *tarItem) error {
	it.fd = -1
	it.ready = make(chan struct{})
	if err := t.enqueue(it); err != nil {
		it.leave()
		return err
	}
	select {
	case t.prepare <- it:
		return nil
	case <-t.ctx.Done():
		it.leave()
		it.err = context.Cause(t.ctx)
		close(it.ready)
		return it.err
	}
}

func (t *TarWriter) enqueue(it *tarItem) error {
	select {
	case t.queue <- it:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

// Close writes what is queued and the end of the archive. After an error, or
// with cancel, the archive is left without an end.
func (t *TarWriter) Close(cancel error) error {
	if cancel != nil {
		t.cancel(cancel)
	}
	close(t.prepare)
	close(t.queue)
	t.readers.Wait()
	<-t.written
	defer t.cancel(nil)
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if err := t.entries.close(); err != nil {
		return err
	}
	return t.out.Flush()
}

func (t *TarWriter) write() {
	defer close(t.written)
	links := map[[2]uint64]string{}
	for it := range t.queue {
		<-it.ready
		err := it.err
		if err == nil && t.ctx.Err() == nil {
			err = t.writeItem(it, links)
		}
		if it.fd >= 0 {
			unix.Close(it.fd)
		}
		if err != nil {
			t.cancel(err)
		}
		if body, ok := it.body.(*io.PipeReader); ok {
			body.CloseWithError(context.Cause(t.ctx)) // its writer must not wait for ever
		}
	}
}

func (t *TarWriter) writeItem(it *tarItem, links map[[2]uint64]string) error {
	if it.base == nil {
		if err := t.entries.begin(it.hdr); err != nil {
			return err
		}
		return t.copyBody(it)
	}
	if it.gone || it.st.Type() == unix.S_IFSOCK {
		return nil
	}
	if it.body == nil && it.st.Nlink > 1 && it.st.Type() != unix.S_IFDIR {
		id := [2]uint64{it.st.Dev, it.st.Ino}
		if first, ok := links[id]; ok {
			it.hdr.Typeflag, it.hdr.Linkname, it.hdr.Size = tar.TypeLink, first, 0
			it.hdr.PAXRecords = nil
			return t.entries.begin(it.hdr)
		}
		links[id] = it.hdr.Name
		if err := t.openLate(it); err != nil {
			return err
		}
	}
	if err := t.entries.begin(it.hdr); err != nil {
		return &PathError{Op: "archive", Path: it.path, Err: err}
	}
	return t.content(it)
}

func (t *TarWriter) copyBody(it *tarItem) error {
	if it.body == nil {
		return nil
	}
	n, err := t.copy(it.body)
	if err == nil && n != it.hdr.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// openLate opens the first of several names of one file.
func (t *TarWriter) openLate(it *tarItem) error {
	if it.st.Type() != unix.S_IFREG || it.st.Size == 0 {
		return nil
	}
	_, fd, err := openLink(it.base, it.path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var at lastDir
	defer at.close()
	return t.open(&at, it, fd)
}

// copy is the writing goroutine's.
func (t *TarWriter) copy(r io.Reader) (int64, error) {
	if t.buf == nil {
		t.buf = make([]byte, 256<<10)
	}
	return io.CopyBuffer(onlyWriter{t.entries}, r, t.buf)
}

func (t *TarWriter) content(it *tarItem) error {
	if it.body != nil {
		return t.copyBody(it)
	}
	if it.held != nil {
		_, err := t.entries.Write(it.held)
		t.held.Put(&it.held)
		return err
	}
	if it.fd < 0 {
		return nil
	}
	n, err := t.copy(io.LimitReader(fdReader(it.fd), it.st.Size))
	if err == nil && n != it.st.Size {
		err = &PathError{Op: "read", Path: it.path, Err: io.ErrUnexpectedEOF}
	}
	return err
}

// onlyWriter hides ReadFrom, so that the buffer is used.
type onlyWriter struct{ io.Writer }
