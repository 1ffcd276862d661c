package calls

import (
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host/confine"
)

// applying is the state of apply_diff: entries handed out in batches, the
// decisions on them, and the work those started.
type applying struct {
	c        *Call
	src      layertar.Source
	raw      io.Reader
	next     uint64 // index of the next entry
	first    uint64 // index of the batch's first entry
	batch    []pending
	open     int             // entries of the batch not yet decided
	waiting  *layertar.Entry // parsed, and did not fit in the batch before
	eof      bool
	slab     *slab
	free     chan []byte
	appliers map[uint64]*applier
	// stored is the base that files went to, "" for none yet.
	stored string
	rec    []byte
}

type pending struct {
	e       *layertar.Entry
	held    []byte
	slab    *slab
	decided bool
	read    int // bytes given out by entry_read
	large   bool
}

type applier struct {
	*confine.Applier
	base    base
	release func() // of the claim on the base
	// version and moves are as of when the base was last found to be free.
	version uint64
	moves   int
}

func newApplying(c *Call) *applying {
	return &applying{c: c, src: c.p.Source, appliers: map[uint64]*applier{}, free: make(chan []byte, 4)}
}

// inApply begins an import of apply_diff.
func (c *Call) inApply() (*applying, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	if c.p.Method != abi.MethodApplyDiff || c.in == nil {
		return nil, fmt.Errorf("entries in %s: %w", c.p.Method, abi.BadOrder)
	}
	c.began = true
	return c.in, nil
}

// EntriesNext implements Imports.
func (c *Call) EntriesNext(buf []byte) int32 {
	a, err := c.inApply()
	if err != nil {
		return c.answer(err)
	}
	if a.raw != nil {
		return c.stick(fmt.Errorf("entries after stream_read: %w", abi.BadOrder))
	}
	if a.open > 0 {
		return c.stick(fmt.Errorf("%d entries were left undecided: %w", a.open, abi.Invalid))
	}
	defer c.clock.wait()()
	n, err := a.fill(buf)
	if err != nil {
		return c.stick(err)
	}
	return int32(n)
}

// fill parses entries into buf until it is full, or enough payload is held.
func (a *applying) fill(buf []byte) (int, error) {
	a.first, a.batch = a.next, a.batch[:0]
	out := buf[:0]
	a.newSlab()
	for held := int64(0); held < abi.MaxUndecided; {
		e, err := a.parse()
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		if e.Kind == layertar.Ignored {
			a.waiting = nil
			continue
		}
		a.rec = appendEntry(a.rec[:0], a.next, e)
		if len(out)+len(a.rec) > len(buf) {
			if len(out) == 0 {
				return len(a.rec), nil
			}
			break
		}
		if e.Size > 0 && e.Size <= abi.MaxUndecided && held+e.Size > abi.MaxUndecided {
			break
		}
		a.waiting = nil
		p := pending{e: e, large: e.Size > abi.MaxUndecided}
		if e.Size > 0 && !p.large {
			if err := a.hold(&p); err != nil {
				return 0, err
			}
		}
		out = append(out, a.rec...)
		a.batch = append(a.batch, p)
		a.next++
		a.open++
		held += e.Size + attrBytes(e)
	}
	return len(out), nil
}

// attrBytes is what an entry's attributes take, which is not in its record.
func attrBytes(e *layertar.Entry) (n int64) {
	for _, x := range e.Xattrs {
		n += int64(len(x.Name) + len(x.Value))
	}
	return n
}

func (a *applying) parse() (*layertar.Entry, error) {
	if a.waiting != nil {
		return a.waiting, nil
	}
	if a.eof {
		return nil, io.EOF
	}
	e, err := a.src.Next()
	if err != nil {
		a.eof = err == io.EOF
		return nil, err
	}
	a.waiting = e
	return e, nil
}

func appendEntry(b []byte, index uint64, e *layertar.Entry) []byte {
	rec := abi.Entry{
		Index: index, Size: uint64(e.Size), Mode: e.Mode, UID: e.UID, GID: e.GID,
		MtimeSec: e.ModTime.Unix(), MtimeNsec: uint32(e.ModTime.Nanosecond()),
		Major: e.Major, Minor: e.Minor, Kind: entryKinds[e.Kind],
		Attrs: uint16(min(len(e.Xattrs), 1<<16-1)), Path: []byte(e.Path), Link: []byte(e.Link),
	}
	if e.Size > abi.MaxUndecided {
		rec.Flags = abi.EntryLarge
	}
	return abi.AppendEntry(b, &rec)
}

var entryKinds = [...]uint16{
	layertar.File: abi.EntryFile, layertar.Dir: abi.EntryDir, layertar.Symlink: abi.EntrySymlink,
	layertar.Hardlink: abi.EntryHardlink, layertar.Char: abi.EntryChar, layertar.Block: abi.EntryBlock,
	layertar.Fifo: abi.EntryFifo, layertar.Whiteout: abi.EntryWhiteout, layertar.Opaque: abi.EntryOpaque,
}

// Actions implements Imports.
func (c *Call) Actions(recs []byte) int32 {
	a, err := c.inApply()
	if err != nil {
		return c.answer(err)
	}
	defer c.clock.wait()()
	for len(recs) > 0 {
		rec, rest, ok, code := abi.Next(recs)
		if code != abi.OK || !ok {
			return c.stick(fmt.Errorf("actions: malformed record: %w", abi.Invalid))
		}
		act, ok := abi.ParseAction(rec)
		if !ok || rec.Flags != 0 {
			return c.stick(fmt.Errorf("actions: record of kind %#x: %w", rec.Kind, abi.Invalid))
		}
		if err := a.act(act); err != nil {
			return c.stick(err)
		}
		recs = rest
	}
	return 0
}

func (a *applying) act(act abi.Action) error {
	from, held := act.First-a.first, uint64(len(a.batch))
	if act.First < a.first || act.Count == 0 || from >= held || uint64(act.Count) > held-from || len(act.Path) > 0 && act.Count != 1 {
		return fmt.Errorf("an action on %d entries from %d, which are not in the batch: %w", act.Count, act.First, abi.Invalid)
	}
	p, err := actionPath(act.Path)
	if err != nil {
		return err
	}
	var to *applier
	if act.Act == abi.ActApply {
		if to, err = a.applier(act.Base); err != nil {
			return err
		}
	} else if act.Act != abi.ActSkip {
		return fmt.Errorf("unknown action %d: %w", act.Act, abi.Invalid)
	}
	for i := from; i < from+uint64(act.Count); i++ {
		if err := a.decide(&a.batch[i], to, p); err != nil {
			return err
		}
	}
	return nil
}

func actionPath(p []byte) (string, error) {
	if len(p) == 0 {
		return "", nil
	}
	return abiPath(p)
}

// decide carries one decision out, or hands it to those who do.
func (a *applying) decide(p *pending, to *applier, at string) error {
	if p.decided {
		return fmt.Errorf("entry %q was decided twice: %w", p.e.Name, abi.Invalid)
	}
	p.decided = true
	a.open--
	if to != nil && p.read > 0 {
		a.drop(p)
		return fmt.Errorf("entry %q was read, and can only be skipped: %w", p.e.Name, abi.Invalid)
	}
	if err := a.findable(p, to, at); err != nil {
		a.drop(p)
		return err
	}
	if to == nil {
		a.drop(p)
		return nil
	}
	if err := a.mayMark(p.e, to); err != nil {
		a.drop(p)
		return err
	}
	body := confine.Payload{Held: p.held}
	if p.large {
		body.Rest = a.src
	}
	if s := p.slab; s != nil {
		body.Done = s.done
	}
	return to.Apply(a.c.ctx, p.e, at, body)
}

// mayMark refuses marks of overlay that the driver has no power to make.
func (a *applying) mayMark(e *layertar.Entry, to *applier) error {
	if to.base.stack == nil || e.Kind != layertar.Whiteout && e.Kind != layertar.Opaque {
		return nil
	}
	if err := a.c.need("mknod.whiteout"); err != nil || e.Kind == layertar.Whiteout {
		return err
	}
	if to.base.stack.UserAttrs() {
		return a.c.need("xattr.user")
	}
	return a.c.need("xattr.trusted")
}

// findable refuses a decision after which the host would not find a file's
// content where its name says, unless the driver gives it by itself.
func (a *applying) findable(p *pending, to *applier, at string) error {
	if p.e.Size == 0 || a.c.env.ReadsFiles {
		return nil
	}
	switch {
	case to == nil:
		return fmt.Errorf("entry %q: its content was skipped, and the driver has no read_file: %w", p.e.Name, graphdriver.ErrInvalid)
	case at != "" && at != p.e.Path:
		return fmt.Errorf("entry %q: stored as %q, and the driver has no read_file: %w", p.e.Name, at, graphdriver.ErrInvalid)
	case a.stored == "":
		a.stored = to.base.path
	case a.stored != to.base.path:
		return fmt.Errorf("entry %q: files in two bases, %q and %q, and the driver has no read_file: %w", p.e.Name, a.stored, to.base.path, graphdriver.ErrInvalid)
	}
	return nil
}

func (a *applying) drop(p *pending) {
	if p.slab != nil {
		p.slab.done()
	}
}

// applier is what makes entries beneath a base; it is started once.
func (a *applying) applier(handle uint64) (*applier, error) {
	seals := a.c.env.Seals
	if to := a.appliers[handle]; to != nil {
		return to, a.current(to)
	}
	b, err := a.c.base(handle)
	if err != nil {
		return nil, err
	}
	seals.short.RLock()
	defer seals.short.RUnlock()
	if err := a.mayFill(b); err != nil {
		return nil, err
	}
	to := &applier{
		Applier: confine.NewApplier(b.dir, confine.ApplyOptions{Unprivileged: a.c.env.Unprivileged, Over: b.stack, Beneath: a.beneath}),
		base:    b, release: seals.claim(a.c, b.path), version: seals.Version(), moves: a.c.moves,
	}
	a.appliers[handle] = to
	return to, nil
}

// beneath waits for the layers beneath, for as long as their own calls may take.
func (a *applying) beneath() error {
	if a.c.p.Beneath == nil {
		return nil
	}
	defer a.c.clock.halt()()
	return a.c.p.Beneath(a.c.ctx)
}

func (a *applying) mayFill(b base) error {
	if err := a.c.inPlace(b); err != nil {
		return err
	}
	if err := a.c.maySeal(b.path, detach); err != nil || a.c.env.MayHold == nil {
		return err
	}
	return a.c.env.MayHold(a.c.p.ID, b.path)
}

// current looks at a base again if a layer was sealed since, or the guest has
// moved something. The claim keeps it so until the next look.
func (a *applying) current(to *applier) error {
	version := a.c.env.Seals.Version()
	if version == to.version && a.c.moves == to.moves {
		return nil
	}
	if err := a.mayFill(to.base); err != nil {
		return err
	}
	to.version, to.moves = version, a.c.moves
	return nil
}

// settle waits for what was accepted so far.
func (a *applying) settle() error {
	for _, to := range a.appliers {
		if err := to.Wait(a.c.ctx); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the work: completely, or with what failed.
func (a *applying) finish(failed error) (confine.Applied, error) {
	var sum confine.Applied
	for _, to := range a.appliers {
		defer to.release()
		if failed == nil {
			failed = a.current(to)
		}
		if failed != nil {
			to.Abort()
			continue
		}
		done, err := to.Finish(a.c.ctx)
		failed = errors.Join(failed, err)
		sum.Add(done)
	}
	return sum, failed
}
