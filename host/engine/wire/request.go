package wire

import (
	"encoding/binary"
	"fmt"
)

// RequestSize is the length of a request's head. What it brings follows.
const RequestSize = 56

// Request is what a child asks.
type Request struct {
	Op Op
	// W and U are numbers, B what is brought; Cap is how many bytes the
	// answer may bring.
	W   [2]uint64
	U   [3]uint32
	Cap uint32
	B   [3][]byte
}

// Head encodes all but what B holds.
func (r *Request) Head(to *[RequestSize]byte) (size uint64) {
	le := binary.LittleEndian
	size = RequestSize
	for i, b := range r.B {
		le.PutUint32(to[44+4*i:], uint32(len(b)))
		size += uint64(len(b))
	}
	le.PutUint32(to[0:], uint32(size))
	le.PutUint32(to[4:], uint32(r.Op))
	le.PutUint64(to[8:], r.W[0])
	le.PutUint64(to[16:], r.W[1])
	le.PutUint32(to[24:], r.U[0])
	le.PutUint32(to[28:], r.U[1])
	le.PutUint32(to[32:], r.U[2])
	le.PutUint32(to[36:], r.Cap)
	le.PutUint32(to[40:], 0)
	return size
}

// ParseRequest reads a request's head into r and returns the length of what
// follows it. No buffer may be longer than most, nor the answer.
func ParseRequest(head *[RequestSize]byte, most uint64, r *Request) (rest int, err error) {
	le := binary.LittleEndian
	op := le.Uint32(head[4:])
	r.Op = Op(op)
	s := r.Op.shape()
	if op > 1<<16-1 || !s.known {
		return 0, fmt.Errorf("a request of unknown kind %#x", op)
	}
	r.W = [2]uint64{le.Uint64(head[8:]), le.Uint64(head[16:])}
	r.U = [3]uint32{le.Uint32(head[24:]), le.Uint32(head[28:]), le.Uint32(head[32:])}
	r.Cap = le.Uint32(head[36:])
	if uint64(r.Cap) > most || r.Cap > 0 && !s.out {
		return 0, fmt.Errorf("a request (%#x) for %d bytes", op, r.Cap)
	}
	sum := uint64(RequestSize)
	for i := range r.B {
		n := uint64(le.Uint32(head[44+4*i:]))
		if n > most || n > 0 && i >= s.in {
			return 0, fmt.Errorf("a request (%#x) with %d bytes in place %d", op, n, i)
		}
		sum += n
	}
	if sum != uint64(le.Uint32(head[0:])) || le.Uint32(head[40:]) != 0 {
		return 0, fmt.Errorf("a request (%#x) of a length other than that of its parts", op)
	}
	return int(sum - RequestSize), nil
}

// Bring gives r what followed its head, which it keeps.
func (r *Request) Bring(head *[RequestSize]byte, body []byte) {
	for i := range r.B {
		n := binary.LittleEndian.Uint32(head[44+4*i:])
		r.B[i] = nil
		if n > 0 {
			r.B[i] = body[:n:n]
		}
		body = body[n:]
	}
}
