package guest

import "github.com/bulkhead/bulkhead/abi"

// Listing lists directories, many in one crossing. Directories added while
// Run visits are listed by the next Run.
type Listing struct {
	c *Call
}

// Visitor takes what Listing finds. Errors end the run.
type Visitor interface {
	// Begin starts the directory that was added with tag; code is OK or why
	// there is nothing to list, and then no names follow.
	Begin(tag uint64, code abi.Code) error
	// Names are some names of it, in byte order. They are valid until it
	// returns.
	Names(tag uint64, names []abi.Name) error
	// End is the end of it; code is OK or why the listing broke off.
	End(tag uint64, code abi.Code) error
}

// Listing prepares a listing. There is one per call at a time.
func (c *Call) Listing() *Listing {
	c.in.req = c.in.req[:0]
	return &Listing{c: c}
}

// Add asks for a directory. flags are abi.List* values.
func (l *Listing) Add(tag uint64, base Base, path []byte, flags uint16) {
	l.c.in.req = abi.AppendList(l.c.in.req, abi.List{Flags: flags, Tag: tag, Base: uint64(base), Path: path})
}

// AddPair asks for one directory of two trees, without the names on which they
// agree: nothing but directories, and what has changed or may have. The answer
// is that of two Adds: old with tag, then new with tag+1.
func (l *Listing) AddPair(tag uint64, old, new Base, path []byte, flags uint16) {
	created := l.c.Created
	l.c.in.req = abi.AppendListPair(l.c.in.req, abi.ListPair{
		Flags: flags, Tag: tag, Old: uint64(old), New: uint64(new), Path: path,
		CreatedSec: created.Sec, CreatedNsec: created.Nsec, CreatedKnown: created.Known,
	})
}

// Run lists what was added, in that order.
func (l *Listing) Run(v Visitor) error {
	in := l.c.in
	if len(in.req) == 0 {
		return nil
	}
	req := in.req
	var tag uint64
	names := in.listed()
	for {
		n := l.c.host.ReaddirPlus(req, in.in)
		if n < 0 {
			return abi.Code(n)
		}
		if int(n) > len(in.in) {
			in.in = make([]byte, n)
			continue
		}
		// The host has the request; visitors may add to the next.
		req, in.req = nil, in.req[:0]
		if n == 0 {
			return nil
		}
		for b := in.in[:n]; len(b) > 0; {
			if n, size := abi.Names(b, names); n > 0 {
				b = b[size:]
				if err := v.Names(tag, names[:n]); err != nil {
					return err
				}
				continue
			}
			rec, rest, ok, code := abi.Next(b)
			if !ok {
				return code
			}
			b = rest
			var err error
			switch rec.Kind {
			case abi.RecName:
				ok = false // Names would have taken a sound one
			case abi.RecDirBegin, abi.RecDirEnd:
				var m abi.DirMark
				m, ok = abi.ParseDirMark(rec)
				if tag = m.Tag; ok && rec.Kind == abi.RecDirBegin {
					err = v.Begin(tag, m.Code)
				} else if ok {
					err = v.End(tag, m.Code)
				}
			}
			if !ok {
				return abi.Invalid
			}
			if err != nil {
				return err
			}
		}
	}
}

// FilesEqual compares the content of files that have the same path in two
// trees: equal[i] is set for paths[i].
func (c *Call) FilesEqual(a, b Base, paths [][]byte, equal []bool) error {
	const largest = 32 + abi.MaxPath + 8
	for from := 0; from < len(paths); {
		req, to := c.in.req[:0], from
		for to < len(paths) && (to == from || len(req)+largest <= abi.MaxRecord) {
			req = abi.AppendPair(req, abi.Pair{BaseA: uint64(a), BaseB: uint64(b), PathA: paths[to]})
			to++
		}
		c.in.req = req
		out, err := c.pull(func(buf []byte) int32 { return c.host.FilesEqual(req, buf) })
		if err != nil {
			return err
		}
		if len(out) != to-from {
			return abi.Invalid
		}
		for i, v := range out {
			equal[from+i] = v == 1
		}
		from = to
	}
	c.in.req = c.in.req[:0]
	return nil
}
