package calls

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/treediff"
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
	walkers int // how many take from jobs: none before the first is needed
	ended   chan struct{}
	at      int // next name of queue[0]; -1 before its beginning
	rec     []byte
	walked  walked
}

// walked is a walk through two trees and what it found.
type walked struct {
	trees [2]confine.Tree
	attrs bool
	opts  treediff.Options
	found *confine.Differences
}

// listed is one answer: the listing of a directory, or one of a pair's two.
type listed struct {
	tag   uint64
	work  *listing
	side  treediff.Side
	quiet bool // nothing is said of an answer that says nothing
}

func (l *listed) names() []confine.Name { return l.work.names[l.side] }
func (l *listed) err() error            { return l.work.err[l.side] }

// listing is one directory of one tree, trees[treediff.New], or of two.
type listing struct {
	trees   [2]confine.Tree
	path    string
	attrs   bool
	opts    treediff.Options
	names   [2][]confine.Name
	err     [2]error
	started bool // some walker has it
	done    chan struct{}
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
	if q, ok := abi.ParseListPair(rec); ok && q.Flags&^(abi.ListAttrs|abi.ListQuiet|abi.ListDeep|abi.ListDirTimes) == 0 {
		return c.askPair(l, q)
	}
	q, ok := abi.ParseList(rec)
	if !ok || q.Flags&^abi.ListAttrs != 0 {
		return fmt.Errorf("readdir_plus: record of kind %#x: %w", rec.Kind, abi.Invalid)
	}
	b, p, err := c.treeAt(q.Base, q.Path)
	if err != nil {
		return err
	}
	work := &listing{path: p, attrs: q.Flags&abi.ListAttrs != 0, done: make(chan struct{})}
	work.trees[treediff.New] = b.tree()
	l.queue = append(l.queue, listed{tag: q.Tag, work: work, side: treediff.New})
	return nil
}

func (c *Call) askPair(l *lister, q abi.ListPair) error {
	old, p, err := c.treeAt(q.Old, q.Path)
	if err != nil {
		return err
	}
	new, err := c.base(q.New)
	if err != nil {
		return err
	}
	work := &listing{
		trees: [2]confine.Tree{treediff.Old: old.tree(), treediff.New: new.tree()},
		path:  p, attrs: q.Flags&abi.ListAttrs != 0, done: make(chan struct{}),
		opts: treediff.Options{
			Created:  treediff.Created{Sec: q.CreatedSec, Nsec: q.CreatedNsec, Known: q.CreatedKnown},
			DirTimes: q.Flags&abi.ListDirTimes != 0,
		},
	}
	if q.Flags&abi.ListDeep != 0 {
		if err := l.deep(work); err != nil {
			return err
		}
	}
	l.queue = append(l.queue,
		listed{tag: q.Tag, work: work, side: treediff.Old, quiet: q.Flags&abi.ListQuiet != 0},
		listed{tag: q.Tag + 1, work: work, side: treediff.New, quiet: q.Flags&abi.ListQuiet != 0})
	return nil
}

func newLister(ctx context.Context, before *lister) *lister {
	ctx, cancel := context.WithCancel(ctx)
	l := &lister{ctx: ctx, cancel: cancel, at: -1, jobs: make(chan *listing, listAhead), ended: make(chan struct{}, listWalkers)}
	if before != nil {
		l.names = before.names // digests must compare over the whole call
		l.walked = before.walked
	} else {
		l.names = confine.NewLister()
	}
	return l
}

func (l *lister) walk() {
	defer func() { l.ended <- struct{}{} }()
	for w := range l.jobs {
		if err := l.ctx.Err(); err != nil {
			w.err = [2]error{err, err}
		} else {
			w.list(l.names)
		}
		close(w.done)
	}
}

func (w *listing) list(l *confine.Lister) {
	old, new := treediff.Old, treediff.New
	if w.trees[old] == nil {
		w.names[new], w.err[new] = l.List(w.trees[new], w.path, w.attrs)
		return
	}
	w.names[old], w.names[new], w.err[old], w.err[new] = l.Pair(w.trees[old], w.trees[new], w.path, w.attrs)
	if w.err[old] == nil && w.err[new] == nil {
		w.names[old], w.names[new] = confine.Differing(w.names[old], w.names[new], func(a, b *confine.Name) bool {
			return b.Stat.Type() != unix.S_IFDIR && w.same(a, b)
		})
	}
}

func (w *listing) same(old, new *confine.Name) bool {
	was, is := nameOf(old), nameOf(new)
	return treediff.Agree(&was, &is, w.opts)
}

// deep answers from a walk through all that lies beneath the first directory
// that was asked for.
func (l *lister) deep(w *listing) error {
	d := &l.walked
	if d.found == nil || d.trees != w.trees || d.attrs != w.attrs || d.opts != w.opts || !d.found.Covers(w.path) {
		found, err := l.names.Walk(l.ctx, w.trees[treediff.Old], w.trees[treediff.New], w.path, w.attrs, w.same, listWalkers)
		if err != nil {
			return err
		}
		*d = walked{w.trees, w.attrs, w.opts, found}
	}
	olds, news, oldErr, newErr, both := d.found.At(w.path)
	if !both {
		return nil // asked for without having been told of it: walkers list it
	}
	w.names, w.err = [2][]confine.Name{olds, news}, [2]error{oldErr, newErr}
	w.started = true
	close(w.done)
	return nil
}

// endLister stops the walkers and waits for them.
func (c *Call) endLister() {
	l := c.lister
	if l == nil || l.jobs == nil {
		return
	}
	l.cancel()
	close(l.jobs)
	for range l.walkers {
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
		if head.quiet && l.at < 0 && len(head.names()) == 0 && head.err() == nil {
			l.next()
			continue
		}
		if head.quiet && l.at >= 0 && l.at == len(head.names()) {
			l.next()
			continue
		}
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
		next := &l.queue[l.started]
		if next.work.started { // as is the other half of a pair
			l.started++
			continue
		}
		if l.walkers == 0 {
			l.walkers = listWalkers
			for range l.walkers {
				go l.walk()
			}
		}
		select {
		case l.jobs <- next.work:
			next.work.started = true
			l.started++
		default:
			return
		}
	}
}

// record encodes what comes next of the head of the queue.
func (l *lister) record(head *listed) {
	names := head.names()
	switch {
	case l.at < 0:
		l.rec = abi.AppendDirMark(l.rec[:0], abi.RecDirBegin, abi.DirMark{Tag: head.tag, Code: listCode(head.err())})
	case l.at == len(names):
		l.rec = abi.AppendDirMark(l.rec[:0], abi.RecDirEnd, abi.DirMark{Tag: head.tag})
	default:
		rec := nameOf(&names[l.at])
		rec.Name = []byte(names[l.at].Name)
		l.rec = abi.AppendName(l.rec[:0], &rec)
	}
}

func (l *lister) advance(head *listed) {
	l.at++
	if l.at > len(head.names()) {
		l.next()
	}
}

// next goes on to the next answer.
func (l *lister) next() {
	l.at = -1
	l.queue[0] = listed{}
	l.queue = l.queue[1:]
	l.started--
}

// listCode says why a directory has no names. What is not a directory is
// Invalid, as is a link to one, which is not followed.
func listCode(err error) abi.Code {
	if pe, ok := err.(*confine.PathError); ok && pe.Err == syscall.ELOOP {
		return abi.Invalid
	}
	return codeOf(err)
}

// nameOf is a name as the guest sees it, but for the name itself.
func nameOf(n *confine.Name) abi.Name {
	st := &n.Stat
	out := abi.Name{
		Ino: st.Ino, Size: uint64(st.Size),
		MtimeSec: st.Mtim.Sec, MtimeNsec: st.Mtim.Nsec, CtimeSec: st.Ctim.Sec, CtimeNsec: st.Ctim.Nsec,
		Mode: st.Mode, UID: st.UID, GID: st.GID, Nlink: uint32(st.Nlink), Attrs: n.Attrs,
	}
	if t := st.Type(); t == unix.S_IFCHR || t == unix.S_IFBLK {
		out.Rdev = uint64(unix.Major(st.Rdev))<<32 | uint64(unix.Minor(st.Rdev))
	}
	return out
}
