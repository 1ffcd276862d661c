package calls

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/confine"
)

const (
	// listAhead is how many directories are listed before they are asked for.
	listAhead = 32
	// listWalkers is how many are listed at a time.
	listWalkers = 2
	// listEnough is how many bytes are worth a crossing: a hundred names.
	listEnough = 16 << 10
)

// lister answers readdir_plus: directories are listed ahead by walkers and
// given out in the order of the request.
type lister struct {
	names   *confine.Lister
	ctx     context.Context
	cancel  context.CancelFunc
	queue   []listed // asked for, not yet given out
	started int      // how many of queue have a walker
	jobs    chan *listing
	ended   chan struct{}
	at      int // next name of queue[0]; -1 before its beginning
	rec     []byte
}

type listed struct {
	tag  uint64
	work *listing
}

type listing struct {
	dir   *confine.Dir
	path  string
	attrs bool
	names []confine.Name
	err   error
	done  chan struct{}
}

func (w *listing) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// ReaddirPlus implements Imports.
func (c *Call) ReaddirPlus(req, buf []byte) int32 {
	if err := c.reads(); err != nil {
		return c.answer(err)
	}
	l := c.lister
	if err := c.asks(req); err != nil {
		return c.answer(err)
	}
	if len(req) > 0 {
		c.endLister()
		l = newLister(c.ctx, l)
		c.lister = l
		for len(req) > 0 {
			rec, rest, ok, code := abi.Next(req)
			if code != abi.OK || !ok {
				return c.answer(fmt.Errorf("readdir_plus: malformed record: %w", abi.Invalid))
			}
			if err := c.ask(l, rec); err != nil {
				return c.answer(err)
			}
			req = rest
		}
	}
	if l == nil {
		return 0
	}
	return int32(l.fill(buf))
}

// maxRequest bounds what one request makes the host keep, in bytes.
const maxRequest = 16 << 20

func (c *Call) asks(req []byte) error {
	if len(req) > maxRequest {
		return fmt.Errorf("a request of %d bytes, more than %d: %w", len(req), maxRequest, abi.Limit)
	}
	return nil
}

func (c *Call) ask(l *lister, rec abi.Record) error {
	q, ok := abi.ParseList(rec)
	if !ok || q.Flags&^abi.ListAttrs != 0 {
		return fmt.Errorf("readdir_plus: record of kind %#x: %w", rec.Kind, abi.Invalid)
	}
	b, p, err := c.at(q.Base, q.Path)
	if err != nil {
		return err
	}
	l.queue = append(l.queue, listed{tag: q.Tag, work: &listing{dir: b.dir, path: p, attrs: q.Flags&abi.ListAttrs != 0, done: make(chan struct{})}})
	return nil
}

func newLister(ctx context.Context, before *lister) *lister {
	ctx, cancel := context.WithCancel(ctx)
	l := &lister{ctx: ctx, cancel: cancel, at: -1, jobs: make(chan *listing, listAhead), ended: make(chan struct{}, listWalkers)}
	if before != nil {
		l.names = before.names // digests must compare over the whole call
	} else {
		l.names = confine.NewLister()
	}
	for range listWalkers {
		go l.walk()
	}
	return l
}

func (l *lister) walk() {
	defer func() { l.ended <- struct{}{} }()
	for w := range l.jobs {
		if l.ctx.Err() != nil {
			w.err = l.ctx.Err()
		} else {
			w.names, w.err = l.names.List(w.dir, w.path, w.attrs)
		}
		close(w.done)
	}
}

// endLister stops the walkers and waits for them.
func (c *Call) endLister() {
	l := c.lister
	if l == nil || l.jobs == nil {
		return
	}
	l.cancel()
	close(l.jobs)
	for range listWalkers {
		<-l.ended
	}
	l.jobs = nil
}

// fill puts as many records into buf as fit. If not even one does, it returns
// what that one needs and keeps it.
func (l *lister) fill(buf []byte) int {
	out := buf[:0]
	for len(l.queue) > 0 {
		l.ahead()
		head := &l.queue[0]
		if !head.work.ended() && len(out) >= listEnough {
			return len(out) // the guest works on these while walkers go on
		}
		<-head.work.done
		l.record(head)
		if len(out)+len(l.rec) > len(buf) {
			if len(out) == 0 {
				return len(l.rec)
			}
			return len(out)
		}
		out = append(out, l.rec...)
		l.advance(head)
	}
	return len(out)
}

// ahead gives the walkers work.
func (l *lister) ahead() {
	for l.started < len(l.queue) && l.started < listAhead {
		select {
		case l.jobs <- l.queue[l.started].work:
			l.started++
		default:
			return
		}
	}
}

// record encodes what comes next of the head of the queue.
func (l *lister) record(head *listed) {
	w := head.work
	switch {
	case l.at < 0:
		l.rec = abi.AppendDirMark(l.rec[:0], abi.RecDirBegin, abi.DirMark{Tag: head.tag, Code: listCode(w.err)})
	case l.at == len(w.names):
		l.rec = abi.AppendDirMark(l.rec[:0], abi.RecDirEnd, abi.DirMark{Tag: head.tag})
	default:
		l.rec = appendName(l.rec[:0], &w.names[l.at])
	}
}

func (l *lister) advance(head *listed) {
	l.at++
	if l.at > len(head.work.names) {
		l.at = -1
		l.queue[0] = listed{}
		l.queue = l.queue[1:]
		l.started--
	}
}

// listCode says why a directory has no names. What is not a directory is
// Invalid, as is a link to one, which is not followed.
func listCode(err error) abi.Code {
	if pe, ok := err.(*confine.PathError); ok && pe.Err == syscall.ELOOP {
		return abi.Invalid
	}
	return codeOf(err)
}

func appendName(b []byte, n *confine.Name) []byte {
	st := &n.Stat
	rec := abi.Name{
		Ino: st.Ino, Size: uint64(st.Size),
		MtimeSec: st.Mtim.Sec, MtimeNsec: st.Mtim.Nsec, CtimeSec: st.Ctim.Sec, CtimeNsec: st.Ctim.Nsec,
		Mode: st.Mode, UID: st.UID, GID: st.GID, Nlink: uint32(st.Nlink),
		Attrs: n.Attrs, Name: []byte(n.Name),
	}
	if t := st.Type(); t == unix.S_IFCHR || t == unix.S_IFBLK {
		rec.Rdev = uint64(unix.Major(st.Rdev))<<32 | uint64(unix.Minor(st.Rdev))
	}
	return abi.AppendName(b, &rec)
}
