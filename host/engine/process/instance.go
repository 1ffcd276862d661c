package process

import (
	"context"
	"fmt"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// small is how much is kept to read requests into, and to answer them from.
const small = 64 << 10

// instance is a child with its module loaded. One call at a time uses it.
type instance struct {
	*kept
	methods uint64
	most    uint64 // bytes of memory it may have
	memory  uint64 // that it was granted

	head [wire.RequestSize]byte
	req  wire.Request
	in   []byte
	out  []byte
	ans  [wire.AnswerSize]byte
	args engine.Params
	// files are those that the call in progress has open, by number.
	files []calls.File
}

// violation is what no child of ours says.
type violation struct{ text string }

func (v *violation) Error() string { return v.text }

// read takes the next request. Nothing is made room for that has not come.
func (in *instance) read() error {
	if in.in == nil {
		in.in = make([]byte, small)
	}
	got, err := in.socket.ReadBoth(in.head[:], in.in)
	if err != nil {
		return err
	}
	rest, err := wire.ParseRequest(&in.head, in.most, &in.req)
	if err != nil {
		return &violation{err.Error()}
	}
	if got > rest {
		return &violation{"it spoke twice"}
	}
	body := in.in
	for got < rest {
		if got == len(body) {
			body = append(body, make([]byte, min(rest-got, len(body)))...)
		}
		n := min(rest, len(body))
		if err := in.socket.Read(body[got:n]); err != nil {
			return err
		}
		got = n
	}
	in.req.Bring(&in.head, body)
	return nil
}

// call runs one method, with s answering, until the child says that it is done
// or ctx ends. What runs once leaves a child in which nothing has run.
func (in *instance) call(ctx context.Context, m *module, method abi.Method, s calls.Session, once bool) (code int32, reusable bool, err error) {
	export := method.Export()
	stop := context.AfterFunc(ctx, in.kill)
	defer func() {
		if p := recover(); p != nil { // of the host's own: the call fails, and no more
			err = &engine.Failure{Cause: engine.CausePanic, Export: export, Detail: fmt.Sprint(p)}
		}
		if !stop() {
			reusable = false
			if err != nil {
				err = fmt.Errorf("%s: %w", export, context.Cause(ctx))
			}
		}
		in.files = in.files[:0]
	}()
	order := wire.Answer{Ret: int64(method)}
	if once {
		order.Ret |= wire.Once
	}
	order.Put(&in.ans)
	if err := in.socket.Write(in.ans[:]); err != nil {
		return 0, false, in.failed(export, err)
	}
	for {
		if err := in.read(); err != nil {
			return 0, false, in.failed(export, err)
		}
		if in.req.Op == wire.OpDone {
			if once {
				in.give(m)
			}
			return in.done(export, m)
		}
		if err := in.serve(m, s); err != nil {
			return 0, false, in.failed(export, err)
		}
	}
}

// serve answers one request.
func (in *instance) serve(m *module, s calls.Session) error {
	out, free, err := in.room()
	if err != nil {
		return err
	}
	defer free()
	var a wire.Answer
	switch op := in.req.Op; {
	case op.IsImport():
		a.Ret = in.forward(s, out)
		if n := a.Ret; n > 0 && n <= int64(len(out)) {
			out = out[:n]
		} else {
			out = nil
		}
	case op.IsFile():
		a, out, err = in.file(s, out)
		if err != nil {
			return err
		}
	case op == wire.OpGrow:
		if in.grow(m, in.req.W[0]) {
			a.Ret = 1
		}
		out = nil
	default:
		return &violation{fmt.Sprintf("it said %#x during a call", op)}
	}
	a.Len = uint32(len(out))
	a.Put(&in.ans)
	return in.socket.Write(in.ans[:], out)
}

// forward calls an import as it would be called in this process.
func (in *instance) forward(s calls.Session, out []byte) int64 {
	p := &in.args
	*p = engine.Params{W: in.req.W, U: in.req.U, B: in.req.B}
	im := in.req.Op.Import()
	n := 0
	for _, c := range []byte(im.Shape) {
		switch c {
		case 'b':
			n++
		case 'o':
			p.B[n] = out
			n++
		}
	}
	return im.Call(s, p)
}

// room is where the answer's bytes go: memory of which only what is written is
// used, however much was asked for.
func (in *instance) room() (out []byte, free func(), err error) {
	n := int(in.req.Cap)
	if n == 0 {
		return nil, func() {}, nil
	}
	if n <= small {
		if in.out == nil {
			in.out = make([]byte, small)
		}
		return in.out[:n:n], func() {}, nil
	}
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("room for %d bytes: %w", n, err)
	}
	return mem, func() { _ = syscall.Munmap(mem) }, nil
}

// grow takes memory for the child from the budget of all.
func (in *instance) grow(m *module, n uint64) bool {
	if n > in.most || in.memory > in.most-n || !m.budget.Take(n) {
		return false
	}
	in.memory += n
	return true
}

// discard ends the child and gives its memory back.
func (in *instance) discard(m *module) {
	in.end()
	in.give(m)
}

// give gives back the memory that the child was granted.
func (in *instance) give(m *module) {
	m.budget.Give(in.memory)
	in.memory = 0
}
