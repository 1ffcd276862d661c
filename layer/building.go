package layer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// errBeneath is why a layer fails whose parent was being unpacked and failed.
var errBeneath = errors.New("the layer beneath was not stored")

// errAnew is why a layer begins anew: the tree that it was made on is gone.
var errAnew = fmt.Errorf("the layer beneath is made anew: %w", graphdriver.ErrBusy)

// building is one layer being unpacked. Whoever wants the same layer waits for
// it, be it in another session; whoever wants one on top of it may begin when
// it has begun, if the driver can do that.
type building struct {
	ses     *Session
	on      onto
	chain   ChainID       // "" where it is not known before
	cacheID string        // set before begun is closed
	begun   chan struct{} // closed when the driver reads the archive, or with done
	begin   func()
	failed  chan struct{} // closed when it has failed, before anything is taken back
	fail    func()
	done    chan struct{}
	// onTop counts layers that were begun on this one. Guarded by Store.mu.
	onTop int

	rec *record // set before done is closed; nil if it failed
}

func newBuilding(ses *Session, on onto) *building {
	b := &building{ses: ses, on: on, begun: make(chan struct{}), failed: make(chan struct{}), done: make(chan struct{})}
	b.begin = sync.OnceFunc(func() { close(b.begun) })
	b.fail = sync.OnceFunc(func() { close(b.failed) })
	return b
}

// depth counts the layer and all beneath it.
func (b *building) depth() int { return b.on.depth() + 1 }

// onto is what a layer is made on: nothing, a layer, or one that is being
// unpacked itself.
type onto struct {
	rec   *record
	early *building
}

func (o onto) depth() int {
	switch {
	case o.early != nil:
		return o.early.depth()
	case o.rec != nil:
		return o.rec.depth
	}
	return 0
}

func (o onto) cacheID() string {
	switch {
	case o.early != nil:
		return o.early.cacheID
	case o.rec != nil:
		return o.rec.cacheID
	}
	return ""
}

// wait returns when the layer is there, and so all beneath it, which it has
// waited for itself. It is errAnew if the tree that was begun on is none any
// more.
func (o onto) wait(ctx context.Context) error {
	if o.early == nil {
		return nil
	}
	select {
	case <-o.early.failed: // first: to take back what it made, it may need us gone
		return errAnew
	case <-o.early.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if rec := o.early.rec; rec == nil || rec.cacheID != o.early.cacheID {
		return errAnew
	}
	return nil
}

// complete returns the layer when it is there.
func (o onto) complete(ctx context.Context) (*record, error) {
	if o.early == nil {
		return o.rec, nil
	}
	select {
	case <-o.early.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if o.early.rec == nil {
		return nil, errBeneath
	}
	return o.early.rec, nil
}

// within is a context that ends with what the layer is made on; leave ends it,
// and tells whether that failed.
func (o onto) within(ctx context.Context) (_ context.Context, leave func() (failed bool)) {
	if o.early == nil {
		return ctx, func() bool { return false }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-o.early.failed:
			cancel(errAnew)
		case <-ctx.Done():
		}
	}()
	return ctx, func() bool {
		cancel(nil)
		<-ended
		return errors.Is(context.Cause(ctx), errAnew)
	}
}
