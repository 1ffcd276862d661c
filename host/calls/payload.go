package calls

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/abi"
)

// slab holds the payloads of one batch. It is used again when the last of
// them has been written.
type slab struct {
	buf  []byte
	refs atomic.Int32
	free chan []byte
}

func (s *slab) done() {
	if s.refs.Add(-1) == 0 {
		select {
		case s.free <- s.buf[:0]:
		default:
		}
	}
}

// newSlab gives the batch before free once its files are written, and begins
// the next.
func (a *applying) newSlab() {
	if a.slab != nil {
		a.slab.done()
		a.slab = nil
	}
}

// hold reads an entry's payload into the batch's slab.
func (a *applying) hold(p *pending) error {
	if a.slab == nil {
		s := &slab{free: a.free}
		s.refs.Store(1)
		select {
		case s.buf = <-a.free:
		default:
			s.buf = make([]byte, 0, abi.MaxUndecided)
		}
		a.slab = s
	}
	s := a.slab
	at := len(s.buf)
	s.buf = s.buf[:at+int(p.e.Size)] // a batch never holds more than a slab
	p.held = s.buf[at : at+int(p.e.Size) : at+int(p.e.Size)]
	if _, err := io.ReadFull(a.src, p.held); err != nil {
		return err
	}
	s.refs.Add(1)
	p.slab = s
	return nil
}

// EntryAttr implements Imports.
func (c *Call) EntryAttr(index uint64, n uint32, buf []byte) int32 {
	a, err := c.inApply()
	if err != nil {
		return c.answer(err)
	}
	p, err := a.entry(index)
	if err != nil {
		return c.answer(err)
	}
	if uint64(n) >= uint64(len(p.e.Xattrs)) {
		return int32(abi.NotFound)
	}
	x := p.e.Xattrs[n]
	return pull(buf, abi.AppendAttr(nil, x.Name, x.Value))
}

// EntryRead implements Imports.
func (c *Call) EntryRead(index uint64, buf []byte) int32 {
	a, err := c.inApply()
	if err != nil {
		return c.answer(err)
	}
	p, err := a.entry(index)
	if err == nil && p.decided {
		err = fmt.Errorf("entry %d is decided: %w", index, abi.Invalid)
	}
	if err == nil {
		err = c.settle()
	}
	if err != nil {
		return c.answer(err)
	}
	if p.large {
		defer c.clock.wait()()
		n, err := a.src.Read(buf)
		p.read += n
		if err != nil && err != io.EOF {
			return c.stick(err)
		}
		return int32(n)
	}
	n := copy(buf, p.held[p.read:])
	p.read += n
	return int32(n)
}

func (a *applying) entry(index uint64) (*pending, error) {
	i := index - a.first
	if index < a.first || i >= uint64(len(a.batch)) {
		return nil, fmt.Errorf("entry %d is not in the batch: %w", index, abi.Invalid)
	}
	return &a.batch[i], nil
}

// StreamRead implements Imports.
func (c *Call) StreamRead(buf []byte) int32 {
	a, err := c.inApply()
	if err != nil {
		return c.answer(err)
	}
	if a.raw == nil {
		if a.next > 0 {
			return c.stick(fmt.Errorf("stream_read after entries: %w", abi.BadOrder))
		}
		if a.raw, err = a.src.Raw(); err != nil {
			return c.stick(fmt.Errorf("%w: %w", abi.BadOrder, err))
		}
	}
	defer c.clock.wait()()
	if len(buf) == 0 {
		return 0
	}
	n, err := a.raw.Read(buf)
	if err == io.EOF {
		a.eof = true
	} else if err != nil {
		return c.stick(err)
	}
	return int32(n)
}
