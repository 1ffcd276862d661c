package child

import (
	"math"
	"os"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// session is a call as the module sees it: all that is asked of it is asked of
// the host.
type session struct {
	// Imports come through Forward, but for Log.
	calls.Imports
	g    *guest
	r    wire.Request
	head [wire.RequestSize]byte
	ans  [wire.AnswerSize]byte
	buf  []byte
}

// shapes says where each import's buffers and numbers are.
var shapes = engine.Imports()

// Forward implements engine.Forwarder.
func (s *session) Forward(index int, p *engine.Params) int64 {
	s.r = wire.Request{Op: wire.Op(index), W: p.W, U: p.U}
	var out []byte
	n, nw, nu := 0, 0, 0
	for _, c := range []byte(shapes[index].Shape) {
		switch c {
		case 'b':
			s.r.B[n] = p.B[n]
			n++
		case 'o':
			out = p.B[n]
			n++
		case 'w':
			nw++
		case 'u':
			nu++
		}
	}
	clear(s.r.W[nw:]) // left over from another import
	clear(s.r.U[nu:])
	a, ok := s.ask(out)
	if !ok {
		return int64(abi.Limit)
	}
	return a.Ret
}

// Log implements calls.Imports, for what the module prints.
func (s *session) Log(level uint32, text []byte) int32 {
	p := engine.Params{U: [3]uint32{level}, B: [3][]byte{text}}
	return int32(s.Forward(logImport, &p))
}

var logImport = importNamed(abi.ImportLog)

func importNamed(name string) int {
	for i, im := range shapes {
		if im.Name == name {
			return i
		}
	}
	panic("no import " + name)
}

// ask sends s.r and takes the answer; bytes of it go to out. It fails for what
// is too large to be said.
func (s *session) ask(out []byte) (wire.Answer, bool) {
	var sum uint64 = wire.RequestSize
	for _, b := range s.r.B {
		sum += uint64(len(b))
	}
	if sum > math.MaxInt32 || uint64(len(out)) > math.MaxInt32 {
		return wire.Answer{}, false
	}
	s.r.Cap = uint32(len(out))
	s.r.Head(&s.head)
	if err := s.g.socket.Write(s.head[:], s.r.B[0], s.r.B[1], s.r.B[2]); err != nil {
		os.Exit(exitDone)
	}
	got, err := s.g.socket.ReadBoth(s.ans[:], out)
	if err != nil {
		os.Exit(exitDone)
	}
	a := wire.ParseAnswer(&s.ans)
	if uint64(a.Len) > uint64(len(out)) || got > int(a.Len) {
		os.Exit(exitWire)
	}
	if err := s.g.socket.Read(out[got:a.Len]); err != nil {
		os.Exit(exitDone)
	}
	return a, true
}

// file asks a file call.
func (s *session) file(op wire.Op, r wire.Request, out []byte) (wire.Answer, syscall.Errno) {
	r.Op = op
	s.r = r
	a, ok := s.ask(out)
	if !ok {
		return a, syscall.EINVAL
	}
	return a, a.Errno
}

// answers is where short answers go: stats, names.
func (s *session) answers() []byte {
	if s.buf == nil {
		s.buf = make([]byte, wire.MaxNames)
	}
	return s.buf
}

// grow asks for memory.
func (g *guest) grow(n uint64) bool {
	s := &session{g: g}
	s.r = wire.Request{Op: wire.OpGrow, W: [2]uint64{n}}
	a, ok := s.ask(nil)
	return ok && a.Ret == 1
}
