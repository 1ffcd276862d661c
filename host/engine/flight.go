package engine

import (
	"context"
	"fmt"
)

// flight is the stopping of one call: its context ends with the caller's and
// with the module, and the guest's brake looks at it.
type flight struct {
	export string
	outer  context.Context // the caller's
	ctx    context.Context // the call's
	end    func()          // stops watching
}

func (m *module) watch(ctx context.Context, export string) *flight {
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(m.ctx, func() { cancel(context.Cause(m.ctx)) })
	return &flight{export: export, outer: ctx, ctx: inner, end: func() { stop(); cancel(nil) }}
}

// ended is the error of a call whose context is done, nil if it is not.
func (c *flight) ended() error {
	if c.ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", c.export, context.Cause(c.ctx))
}
