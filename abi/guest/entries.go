package guest

import "github.com/bulkhead/bulkhead/abi"

// Entries is the archive of ApplyDiff: the entry at hand, and the decisions.
// Every entry is decided, by Apply, ApplyAt or Skip, before the next batch is
// pulled; they cross the border in runs, many at a time.
//
//	for e := c.Entries(); ; {
//		if !e.Next() {
//			return e.Err()
//		}
//		e.Apply(base)
//	}
type Entries struct {
	// Entry is the one at hand. Path and Link lie in a buffer that the next
	// Next may overwrite.
	abi.Entry

	c    *Call
	rest []byte
	run  abi.Action // decisions not yet encoded
	err  error
}

// Entries begins to read the archive.
func (c *Call) Entries() *Entries { return &Entries{c: c} }

// Next moves to the next entry; false at the end or at an error.
func (e *Entries) Next() bool {
	for e.err == nil {
		if len(e.rest) == 0 && !e.batch() {
			return false
		}
		rec, rest, ok, code := abi.Next(e.rest)
		if !ok {
			e.err = code
			return false
		}
		e.rest = rest
		if rec.Kind != abi.RecEntry {
			continue
		}
		if e.Entry, ok = abi.ParseEntry(rec); !ok {
			e.err = abi.Invalid
			return false
		}
		return true
	}
	return false
}

// batch sends the decisions on the last batch and pulls another.
func (e *Entries) batch() bool {
	if e.flush(); e.err != nil {
		return false
	}
	in := e.c.in
	for {
		n := e.c.host.EntriesNext(in.in)
		if n < 0 {
			e.err = abi.Code(n)
			return false
		}
		if int(n) <= len(in.in) {
			e.rest = in.in[:n]
			return n > 0
		}
		in.in = make([]byte, n)
	}
}

// Apply has the entry carried out beneath base.
func (e *Entries) Apply(base Base) { e.decide(abi.ActApply, uint64(base)) }

// Skip leaves the entry out.
func (e *Entries) Skip() { e.decide(abi.ActSkip, 0) }

// ApplyAt is Apply at another path than the entry's own.
func (e *Entries) ApplyAt(base Base, path []byte) {
	e.encode()
	e.append(abi.Action{Act: abi.ActApply, Count: 1, First: e.Index, Base: uint64(base), Path: path})
}

func (e *Entries) decide(act uint16, base uint64) {
	if r := &e.run; r.Count > 0 && r.Act == act && r.Base == base && r.First+uint64(r.Count) == e.Index {
		r.Count++
		return
	}
	e.encode()
	e.run = abi.Action{Act: act, Count: 1, First: e.Index, Base: base}
}

func (e *Entries) encode() {
	if e.run.Count > 0 {
		e.append(e.run)
		e.run.Count = 0
	}
}

func (e *Entries) append(a abi.Action) {
	const largest = 32 + abi.MaxPath + 8
	if len(e.c.in.out)+largest > abi.MaxRecord {
		e.send()
	}
	e.c.in.out = abi.AppendAction(e.c.in.out, a)
}

func (e *Entries) send() {
	if len(e.c.in.out) > 0 && e.err == nil {
		e.err = check(e.c.host.Actions(e.c.in.out))
	}
	e.c.in.out = e.c.in.out[:0]
}

func (e *Entries) flush() {
	e.encode()
	e.send()
}

// Attr returns attribute n, from 0, of the entry at hand, which has
// Entry.Attrs of them. Name and value are copies.
func (e *Entries) Attr(n int) (abi.Attr, error) {
	buf := make([]byte, 512)
	for {
		ret := e.c.host.EntryAttr(e.Index, uint32(n), buf)
		if ret < 0 {
			return abi.Attr{}, abi.Code(ret)
		}
		if int(ret) <= len(buf) {
			a, _, ok := abi.NextAttr(buf[:ret])
			if !ok {
				return abi.Attr{}, abi.Invalid
			}
			return a, nil
		}
		buf = make([]byte, ret)
	}
}

// Read reads the payload of the entry at hand, which then must be skipped;
// 0 is its end.
func (e *Entries) Read(p []byte) (int, error) {
	n := e.c.host.EntryRead(e.Index, p)
	return int(max(n, 0)), check(n)
}

// Err is what ended the entries, nil for their end.
func (e *Entries) Err() error { return e.err }
