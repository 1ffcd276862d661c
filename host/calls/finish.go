package calls

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// ErrFinished is the cause of a call's context once it has ended by itself.
var ErrFinished = fmt.Errorf("the call has ended: %w", context.Canceled)

// Outcome is what a call that succeeded came to.
type Outcome struct {
	// Fields is the guest's result, already checked to be whole fields.
	Fields []abi.Field
	// Changes are what changes emitted.
	Changes []graphdriver.Change
	// Applied is what apply_diff made, by the host's own count.
	Applied confine.Applied
	// StoredAt is the base that files went to, "" if there were none.
	StoredAt string
	// Crossings is how many imports were called.
	Crossings int64
}

// Error is a call that failed.
type Error struct {
	Method abi.Method
	ID     string
	Code   abi.Code
	// Said is what the guest gave to fail, or nil.
	Said *Said
	// Cause is the host's own account: what it refused, or why it stopped.
	Cause error
}

func (e *Error) Error() string {
	s := e.Method.String()
	if e.ID != "" {
		s += " " + e.ID
	}
	if e.Said != nil && e.Said.Text != "" {
		s += ": " + e.Said.Text
		if e.Said.Subject != "" {
			s += fmt.Sprintf(" (%q)", e.Said.Subject)
		}
	}
	if e.Cause != nil {
		return s + ": " + e.Cause.Error()
	}
	return s + ": " + e.Code.Error()
}

// Unwrap yields the native error of the code, and the cause.
func (e *Error) Unwrap() []error {
	var out []error
	if err := codeErrors[e.Code]; err != nil {
		out = append(out, err)
	}
	if e.Cause != nil {
		out = append(out, e.Cause)
	}
	return out
}

// Finish ends the call: it waits for the work that decisions started, ends
// streams, releases everything, and says what came of it. code and runErr are
// what the engine returned. It must be called exactly once.
func (c *Call) Finish(code int32, runErr error) (*Outcome, error) {
	err := c.verdict(code, runErr)
	out := &Outcome{}
	if c.in != nil {
		var ferr error
		out.Applied, ferr = c.in.finish(err)
		out.StoredAt = c.in.stored
		err = c.worse(err, ferr)
	}
	if c.out != nil {
		resume := c.clock.wait() // for the reader to take the rest
		err = c.worse(err, c.out.finish(err))
		resume()
		out.Changes = c.out.changes
	}
	err = c.worse(err, c.release())
	if err != nil {
		return nil, err
	}
	if out.Fields, err = c.fields(); err != nil {
		return nil, c.fault(abi.Invalid, err)
	}
	out.Crossings = c.crossings
	return out, nil
}

// verdict is how the call went as far as the guest had a say.
func (c *Call) verdict(code int32, runErr error) error {
	switch {
	case c.sticky != nil:
		return c.fault(codeOf(c.sticky), c.sticky)
	case c.ctx.Err() != nil:
		cause := context.Cause(c.ctx)
		return c.fault(codeOf(cause), cause)
	case runErr != nil:
		c.failure = nil // it was of something that the guest went on after
		return c.fault(codeOf(runErr), runErr)
	case code > 0 || !abi.Code(code).Known():
		return c.fault(abi.Invalid, fmt.Errorf("the driver returned %d, which is no code", code))
	case code < 0:
		return c.refusal(abi.Code(code))
	case c.in != nil && !c.in.eof:
		return c.fault(abi.Invalid, errors.New("the driver returned before the end of the archive"))
	case c.in != nil && c.in.open > 0:
		return c.fault(abi.Invalid, fmt.Errorf("the driver left %d entries undecided", c.in.open))
	}
	return nil
}

// refusal is an error that the guest returned by itself.
func (c *Call) refusal(code abi.Code) error {
	if (code == abi.UseNaive || code == abi.NotSupported) && c.began {
		return c.fault(abi.Invalid, fmt.Errorf("the driver answered %q after it had begun", code.Error()))
	}
	// What the host refused last is the likely reason, if it says the same. A
	// limit met by a file call reaches the guest as EIO, which is all WASI has.
	var cause error
	var limit *LimitError
	if c.noted != nil && (codeOf(c.noted) == code || code == abi.IO && errors.As(c.noted, &limit)) {
		cause = c.noted
	}
	return c.fault(code, cause)
}

func (c *Call) fault(code abi.Code, cause error) error {
	return &Error{Method: c.p.Method, ID: c.p.ID, Code: code, Said: c.failure, Cause: cause}
}

// worse keeps the first of two errors, and gives a bare one its frame.
func (c *Call) worse(first, err error) error {
	if first != nil || err == nil {
		return first
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return c.fault(codeOf(err), err)
}

// fields parses the result.
func (c *Call) fields() ([]abi.Field, error) {
	var out []abi.Field
	for rest := c.result; len(rest) > 0; {
		rec, next, ok, code := abi.Next(rest)
		if code != abi.OK || !ok {
			return nil, errors.New("the driver's result is malformed")
		}
		f, ok := abi.ParseField(rec)
		if !ok {
			return nil, fmt.Errorf("the driver's result holds a record of kind %#x", rec.Kind)
		}
		if !slices.Contains(resultTags(c.p.Method), f.Tag) {
			return nil, fmt.Errorf("the driver's result holds field %d, which %s does not have", f.Tag, c.p.Method)
		}
		out = append(out, f)
		rest = next
	}
	return out, nil
}

// resultTags are the fields that a method's result may hold.
func resultTags(m abi.Method) []uint16 {
	switch m {
	case abi.MethodDescribe:
		return []uint16{abi.FieldDriverName, abi.FieldDriverVersion, abi.FieldDiskFormat, abi.FieldCapabilities, abi.FieldFeatures, abi.FieldMethods, abi.FieldGrant}
	case abi.MethodGet:
		return []uint16{abi.FieldSpec}
	case abi.MethodExists:
		return []uint16{abi.FieldExists}
	case abi.MethodStatus, abi.MethodGetMetadata:
		return []uint16{abi.FieldPair}
	case abi.MethodDiffSize:
		return []uint16{abi.FieldSize}
	case abi.MethodDiffGetter:
		return []uint16{abi.FieldBase}
	}
	return nil
}

// release closes whatever the call had open.
func (c *Call) release() error {
	c.clock.stop()
	c.endLister()
	for f := range c.files {
		_ = f.end()
	}
	clear(c.files)
	for _, b := range c.bases {
		if b.stack == nil { // a stack's directories are bases of their own
			b.dir.Close()
		}
	}
	c.bases = nil
	for _, unlock := range c.locks {
		unlock()
	}
	err := c.endScratch()
	c.cancel(ErrFinished)
	return err
}
