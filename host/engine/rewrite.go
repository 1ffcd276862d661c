package engine

import "fmt"

// rewriter reads a section and writes it anew: what is passed over is copied,
// in one piece, when something is put in or replaced. After an error all reads
// are zero.
type rewriter struct {
	b    []byte
	at   int // next byte to be read
	end  int // of what may be read
	done int // of b is in out
	out  []byte
	err  error
}

func newRewriter(b []byte) *rewriter {
	return &rewriter{b: b, end: len(b), out: make([]byte, 0, len(b)+len(b)/16+64)}
}

func (w *rewriter) refuse(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
	w.at = w.end
}

func (w *rewriter) byte() byte {
	if w.at >= w.end {
		w.short()
		return 0
	}
	c := w.b[w.at]
	w.at++
	return c
}

func (w *rewriter) short() { w.refuse("%w", errShort) }

func (w *rewriter) skip(n uint32) {
	if uint64(n) > uint64(w.end-w.at) {
		w.short()
		return
	}
	w.at += int(n)
}

// number passes over a number of any length.
func (w *rewriter) number() {
	for w.byte()&0x80 != 0 {
	}
}

func (w *rewriter) u32() (v uint32) {
	for shift := 0; shift < 35; shift += 7 {
		c := w.byte()
		v |= uint32(c&0x7f) << shift
		if c&0x80 == 0 {
			return v
		}
	}
	w.refuse("a number of more than 32 bits")
	return 0
}

// valueType passes over a type, which is one byte.
func (w *rewriter) valueType() {
	if t := w.byte(); w.err == nil && !plainType(t) {
		w.refuse("%w: %#x", errType, t)
	}
}

// flush copies what was passed over before at.
func (w *rewriter) flush(at int) {
	w.out = append(w.out, w.b[w.done:at]...)
	w.done = at
}

// insert puts something in before at.
func (w *rewriter) insert(at int, what []byte) {
	w.flush(at)
	w.out = append(w.out, what...)
}

// replace puts v in the place of what was read since at.
func (w *rewriter) replace(at int, v uint32) {
	w.flush(at)
	for ; v >= 0x80; v >>= 7 {
		w.out = append(w.out, byte(v)|0x80)
	}
	w.out = append(w.out, byte(v))
	w.done = w.at
}

// sized has f rewrite what begins with its length.
func (w *rewriter) sized(f func()) {
	at, all := w.at, w.end
	n := w.u32()
	if uint64(n) > uint64(w.end-w.at) {
		w.short()
		return
	}
	w.end = w.at + int(n)
	w.flush(at)
	w.done = w.at
	length := len(w.out)
	w.out = append(w.out, 0x80, 0x80, 0x80, 0x80, 0) // longer than it need be
	f()
	w.flush(w.end)
	n = uint32(len(w.out) - length - 5)
	for i := range 4 {
		w.out[length+i] |= byte(n>>(7*i)) & 0x7f
	}
	w.out[length+4] = byte(n >> 28)
	w.at, w.end = w.end, all
}

// finish returns the section, which ends here.
func (w *rewriter) finish() ([]byte, error) {
	if w.err == nil && w.at < w.end {
		w.refuse("%w", errLong)
	}
	if w.err != nil {
		return nil, w.err
	}
	w.flush(w.end)
	return w.out, nil
}
