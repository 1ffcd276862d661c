package hostile

import (
	"errors"
	"syscall"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Verdict is how an attack has to end. Whatever it is, nothing outside and
// nothing that is committed changes, and the next call is served.
type Verdict string

const (
	// Harmless: the call may succeed, since it could do nothing.
	Harmless Verdict = "harmless"
	// Denied: it needs a power that is not given, or that nobody has.
	Denied Verdict = "denied"
	// Invalid: it is not what the ABI says.
	Invalid Verdict = "invalid"
	// Limit: a bound of the configuration, which the error names.
	Limit Verdict = "limit"
	// NotFound: there is nothing of that name.
	NotFound Verdict = "not found"
	// Corrupt: what the driver says of a layer is not so.
	Corrupt Verdict = "corrupt"
	// NotSupported and UseNaive: a code of the driver's own is passed on.
	NotSupported Verdict = "not supported"
	UseNaive     Verdict = "use naive"
	// Busy: another call has it.
	Busy Verdict = "busy"
	// Failed: the driver stopped.
	Failed Verdict = "failed"
	// Refused: an error of any kind, where several bounds are near.
	Refused Verdict = "refused"
)

// Matches reports whether a call that ended in err did so as it had to.
func (v Verdict) Matches(err error) bool {
	switch v {
	case Harmless:
		return err == nil
	case Refused:
		return err != nil
	}
	return errors.Is(err, verdictErrors[v])
}

var verdictErrors = map[Verdict]error{
	Denied: graphdriver.ErrDenied, Invalid: graphdriver.ErrInvalid, Limit: graphdriver.ErrLimit,
	NotFound: graphdriver.ErrNotFound, Corrupt: graphdriver.ErrCorrupt, NotSupported: graphdriver.ErrNotSupported,
	UseNaive: graphdriver.ErrUseNaive, Busy: graphdriver.ErrBusy, Failed: syscall.EIO,
}
