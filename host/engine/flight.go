package engine

import (
	"context"
	"fmt"
)

// flight is the stopping of one call. wazero watches the context it is given
// from a goroutine that may still look at it after the call has returned, so
// it gets one of the call's own, which nobody ends once end has said so:
// else a context that is cancelled later would close a pooled instance.
type flight struct {
	export string
	outer  context.Context // the caller's
	ctx    context.Context // wazero's
	stops  [2]func() bool
}

func (m *module) watch(ctx context.Context, export string) *flight {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	return &flight{
		export: export, outer: ctx, ctx: inner,
		stops: [2]func() bool{
			context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) }),
			context.AfterFunc(m.ctx, func() { cancel(context.Cause(m.ctx)) }),
		},
	}
}

// end stops watching and reports whether the call's context was left alone.
func (c *flight) end() bool {
	a, b := c.stops[0](), c.stops[1]()
	return a && b
}

// ended is the error of a call whose context is done, nil if it is not.
func (c *flight) ended() error {
	if c.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", c.export, context.Cause(c.ctx))
}
