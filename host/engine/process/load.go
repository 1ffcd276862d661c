package process

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/lockdown"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// order is what a child is started for.
type order struct {
	name   string
	wasm   []byte
	limits engine.Limits
}

// refused is a module that a child did not load, in the child's words.
type refused struct {
	text  string
	limit *calls.LimitError // that it would exceed, or nil
}

func (r *refused) Error() string { return r.text }

// Unwrap yields the limit.
func (r *refused) Unwrap() error {
	if r.limit == nil {
		return nil
	}
	return r.limit
}

// launch starts a child and has it load the module, or only compile it into
// cache. It ends with ctx, or when that takes too long.
func (r *Runtime) launch(ctx context.Context, o order, cache *os.File, compile bool) (_ *instance, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.limits.Compile, fmt.Errorf("it did not compile, or load, by its deadline: %w",
		&calls.LimitError{Limit: "compile", Value: o.limits.Compile.String()}))
	defer cancel()
	access := lockdown.Read
	if compile {
		access = lockdown.Write
	}
	k, err := r.start(o.name, cache, access)
	if err != nil {
		return nil, err
	}
	in := &instance{kept: k, most: uint64(o.limits.MemoryPages) << 16}
	stop := context.AfterFunc(ctx, k.kill)
	defer func() {
		if !stop() && err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			in.end()
		}
	}()
	load := wire.Load{
		Compile: compile, MemoryPages: o.limits.MemoryPages, OpenFiles: uint32(o.limits.OpenFiles), HighWater: o.limits.HighWater,
		Name: o.name, Wasm: o.wasm,
	}
	head := load.Append(make([]byte, wire.AnswerSize, 256))
	wire.Answer{Len: uint32(len(head) - wire.AnswerSize + len(o.wasm))}.Put((*[wire.AnswerSize]byte)(head))
	if err = k.socket.Write(head, o.wasm); err == nil {
		err = in.read()
	}
	var broken *violation
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &broken):
		return nil, err
	case err != nil:
		k.end()
		return nil, fmt.Errorf("while it was loaded: %w", in.ended("load"))
	}
	switch in.req.Op {
	case wire.OpReady:
		in.methods = in.req.W[0]
		return in, nil
	case wire.OpRefused:
		no := &refused{text: calls.Printable(in.req.B[0], wire.MaxDetail)}
		if in.req.U[0] == 1 {
			no.limit = o.limits.MemoryExceeded()
		}
		return nil, no
	case wire.OpLocks:
		return nil, fmt.Errorf("%w: it could not be locked: %s: set isolation: thread for the driver if you accept that it runs in this one",
			engine.ErrNoProcess, calls.Printable(in.req.B[0], wire.MaxDetail))
	}
	return nil, &violation{"it said something else than whether it is ready"}
}
