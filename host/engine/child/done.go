package child

import (
	"errors"

	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// done is how a call ended.
func done(code int32, reusable bool, err error) wire.Request {
	r := wire.Request{Op: wire.OpDone, U: [3]uint32{uint32(code)}}
	if reusable {
		r.U[2] = 1
	}
	if err == nil {
		return r
	}
	cause, detail := engine.CauseTrap, err.Error()
	var f *engine.Failure
	if errors.As(err, &f) {
		cause, detail = f.Cause, f.Detail
	}
	r.U[1] = wire.CauseNumber(cause)
	r.B[0] = []byte(cut(detail))
	return r
}
