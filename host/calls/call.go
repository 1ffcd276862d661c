package calls

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Call is one call of one method: it answers the guest (Session) and collects
// what comes of it. Its imports are called by one goroutine at a time; Finish
// ends it.
type Call struct {
	env *Env
	p   Params
	// ctx ends with the caller's, the deadline, the idle limit or Finish. A
	// call is the lifetime of its context, so it holds it.
	ctx    context.Context
	cancel context.CancelCauseFunc
	clock  *clock

	gotResult bool
	result    []byte
	failure   *Said
	sticky    error // first failure of a decision or stream
	noted     error // last thing refused
	logged    int
	began     bool // an entry, byte or emit has passed

	mark     uint64 // of this call's handles
	bases    []base
	opened   int
	moves    int // how often the guest has renamed something
	files    map[*openFile]struct{}
	scratch  *scratch
	locks    []func()
	lastLock string
	lister   *lister
	buffers  [2][2][]byte // of files_equal

	in  *applying
	out *emitting

	// Crossings counts the imports that were called.
	crossings int64
}

// Said is what a guest gave to fail.
type Said struct {
	Code    abi.Code
	Subject string
	Text    string
}

type base struct {
	dir   *confine.Dir
	path  string         // relative to the home
	stack *confine.Stack // with dir on top, or nil
}

func (b base) tree() confine.Tree {
	if b.stack != nil {
		return b.stack
	}
	return b.dir
}

// New starts a call. ctx ends it early.
func New(ctx context.Context, env *Env, p Params) *Call {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &Call{env: env, p: p, ctx: ctx, cancel: cancel, files: map[*openFile]struct{}{}}
	c.mark = env.nextMark()
	c.clock = newClock(env.Limits.Deadline, env.Limits.Idle, cancel)
	if p.Source != nil {
		c.p.Source = &clockedSource{p.Source, c}
		c.in = newApplying(c)
	}
	if p.Out != nil {
		c.p.Out = &clockedWriter{p.Out, c.clock}
	}
	return c
}

// Context ends when the call must.
func (c *Call) Context() context.Context { return c.ctx }

// Crossings is how many imports the guest has called.
func (c *Call) Crossings() int64 { return c.crossings }

// answer turns the outcome of an import into what the guest sees, and keeps
// the reason for the operator.
func (c *Call) answer(err error) int32 {
	if err == nil {
		return 0
	}
	c.noted = err
	return int32(codeOf(err))
}

// stick makes err the outcome of the call: nothing further starts.
func (c *Call) stick(err error) int32 {
	if err == nil {
		return 0
	}
	if c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	}
	if c.sticky == nil {
		c.sticky = err
	}
	return c.answer(c.sticky)
}

// enter begins an import that is not allowed after a failure.
func (c *Call) enter() error {
	c.crossings++
	if c.sticky != nil {
		return c.sticky
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// reads begins an import that reads the home.
func (c *Call) reads() error {
	if err := c.enter(); err != nil {
		return err
	}
	if c.env.Home == nil || c.p.Method == abi.MethodDescribe {
		return fmt.Errorf("%s has no file system: %w", c.p.Method, abi.BadOrder)
	}
	return c.settle()
}

// writes begins an import that writes to the home.
func (c *Call) writes() error {
	if err := c.reads(); err != nil {
		return err
	}
	return c.mayWrite()
}

func (c *Call) mayWrite() error {
	if c.env.ReadOnly {
		return fmt.Errorf("the home is open for reading only: %w", syscall.EROFS)
	}
	if !c.p.Method.Mutates() {
		return fmt.Errorf("%s may not write: %w", c.p.Method, syscall.EROFS)
	}
	return nil
}

// settle waits for all decisions accepted so far.
func (c *Call) settle() error {
	if c.in == nil {
		return nil
	}
	if err := c.in.settle(); err != nil {
		c.stick(err)
		return err
	}
	return nil
}

// CallArgs implements Imports.
func (c *Call) CallArgs(buf []byte) int32 {
	c.crossings++
	if len(c.p.Args) <= len(buf) {
		copy(buf, c.p.Args)
	}
	return int32(len(c.p.Args))
}

// Result implements Imports.
func (c *Call) Result(rec []byte) int32 {
	if err := c.enter(); err != nil {
		return c.answer(err)
	}
	if c.gotResult {
		return c.stick(fmt.Errorf("a second result: %w", abi.BadOrder))
	}
	if len(rec) > abi.MaxRecord {
		return c.stick(fmt.Errorf("a result of %d bytes: %w", len(rec), abi.Invalid))
	}
	c.gotResult = true
	c.result = append([]byte(nil), rec...)
	return 0
}

// Fail implements Imports.
func (c *Call) Fail(code int32, subject, text []byte) int32 {
	c.crossings++
	c.failure = &Said{Code: abi.Code(code), Subject: Printable(subject, 512), Text: Printable(text, 4096)}
	return 0
}

// Log implements Imports.
func (c *Call) Log(level uint32, text []byte) int32 {
	c.crossings++
	if level > abi.LogError {
		return int32(abi.Invalid)
	}
	line := Printable(text, 4096)
	if c.logged += len(line) + 1; c.logged > c.env.Limits.Log {
		return int32(abi.Limit)
	}
	if c.env.Log != nil {
		c.env.Log(level, line)
	}
	return 0
}

// Ext implements Imports: version 1 has no operations beyond its imports.
func (c *Call) Ext(uint32, []byte) int32 {
	c.crossings++
	return int32(abi.NotSupported)
}

// Lock implements Imports.
func (c *Call) Lock(name []byte, mode uint32) int32 {
	if err := c.reads(); err != nil {
		return c.answer(err)
	}
	if len(name) == 0 || len(name) > 255 || mode > abi.LockExclusive {
		return int32(abi.Invalid)
	}
	if c.began || len(c.locks) > 0 && string(name) <= c.lastLock {
		return c.answer(fmt.Errorf("lock %q after an entry, an emit or a later name: %w", name, abi.BadOrder))
	}
	if err := c.open(1); err != nil {
		return c.answer(err)
	}
	release, err := c.env.Locks.Acquire(c.ctx, string(name), mode == abi.LockExclusive)
	if err != nil {
		var limit *LimitError
		if errors.As(err, &limit) {
			err = fmt.Errorf("lock %q is held by another call: %w: %w", name, abi.Busy, err)
		}
		c.sticky = err
		return c.answer(err)
	}
	c.locks = append(c.locks, release)
	c.lastLock = string(name)
	return 0
}

// Printable makes a guest's bytes fit for a log or an error.
func Printable(b []byte, limit int) string {
	if len(b) > limit {
		b = b[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), "?"))
}
