package process

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// done is how the child says that the call ended.
func (in *instance) done(export string, m *module) (code int32, reusable bool, err error) {
	code, reusable = int32(in.req.U[0]), in.req.U[2] == 1
	cause, ok := wire.CauseOf(in.req.U[1])
	if !ok {
		return 0, false, in.failed(export, &violation{"it gave a reason that there is none of"})
	}
	if cause == "" {
		return code, reusable, nil
	}
	f := &engine.Failure{Cause: cause, Export: export, Detail: strings.TrimSpace(calls.Printable(in.req.B[0], wire.MaxDetail))}
	switch cause {
	case engine.CauseMemory:
		f.Limit = m.order.limits.MemoryExceeded()
	case engine.CauseBudget:
		f.Limit = m.budget.Exceeded()
	}
	return 0, false, f
}

// failed is a call during which the child ended, or has to.
func (in *instance) failed(export string, err error) error {
	var broken *violation
	if errors.As(err, &broken) {
		return &engine.Failure{Cause: engine.CauseProtocol, Export: export, Detail: broken.text}
	}
	return in.ended(export)
}

// ended says how the child ended.
func (in *instance) ended(export string) error {
	in.end()
	f := &engine.Failure{Cause: engine.CauseEnded, Export: export, Detail: "it cannot be said how"}
	status, ok := syscall.WaitStatus(0), false
	if in.state != nil {
		status, ok = in.state.Sys().(syscall.WaitStatus)
	}
	switch {
	case !ok:
	case status.Signaled() && status.Signal() == syscall.SIGSYS:
		f.Cause = engine.CauseForbidden
		f.Detail = "the driver's process made a system call that it may not make, as no driver does by itself"
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		f.Detail = "it was killed, by the kernel for want of memory or by somebody"
	case status.Signaled():
		f.Detail = fmt.Sprintf("by signal %d, %s", status.Signal(), status.Signal())
	case status.Exited() && status.ExitStatus() == 2:
		f.Detail = "its runtime gave up, most likely for want of memory (exit status 2)"
	case status.Exited():
		f.Detail = fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	return f
}
