package calls

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
)

const long = time.Hour

func ends(t *testing.T, ctx context.Context, limit string) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("never ends")
	}
	var l *LimitError
	if cause := context.Cause(ctx); !errors.As(cause, &l) || l.Limit != limit {
		t.Errorf("ended by %v, want %s", cause, limit)
	}
}

func TestTheDeadlineEndsACall(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer newClock(5*time.Millisecond, long, cancel).stop()
	ends(t, ctx, "deadline")
}

func TestTheDeadlineStandsStillDuringAWait(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := newClock(50*time.Millisecond, long, cancel)
	defer c.stop()
	outer, inner := c.wait(), c.wait()
	time.Sleep(150 * time.Millisecond)
	inner()
	if ctx.Err() != nil {
		t.Fatal("the deadline ran during a wait")
	}
	outer()
	ends(t, ctx, "deadline")
}

func TestAWaitWithoutProgressEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := newClock(long, 5*time.Millisecond, cancel)
	defer c.stop()
	defer c.wait()()
	ends(t, ctx, "stream-idle")
}

func TestProgressBeginsTheWaitAnew(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := newClock(long, 200*time.Millisecond, cancel)
	defer c.stop()
	defer c.wait()()
	w := &clockedWriter{io.Discard, c}
	for range 40 {
		time.Sleep(10 * time.Millisecond) // twice the limit in all
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if ctx.Err() != nil {
		t.Fatal("ended though output went on: ", context.Cause(ctx))
	}
	ends(t, ctx, "stream-idle")
}

func TestAStoppedClockEndsNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := newClock(time.Millisecond, time.Millisecond, cancel)
	c.stop()
	c.wait()()
	c.fire()
	time.Sleep(10 * time.Millisecond)
	if ctx.Err() != nil {
		t.Error(context.Cause(ctx))
	}
}

func TestALockThatIsHeldUntilTheDeadlineIsBusy(t *testing.T) {
	h := newHome(t)
	first := h.call(t, abi.MethodCreate)
	if r := first.Lock([]byte("n"), abi.LockExclusive); r != 0 {
		t.Fatal(abi.Code(r))
	}
	h.Limits.Deadline = 10 * time.Millisecond
	second := h.call(t, abi.MethodCreate)
	if r := second.Lock([]byte("n"), abi.LockShared); abi.Code(r) != abi.Busy {
		t.Errorf("answered %v", abi.Code(r))
	}
	_, err := second.Finish(0, nil)
	var l *LimitError
	if !errors.Is(err, graphdriver.ErrBusy) || !errors.As(err, &l) || l.Limit != "deadline" {
		t.Errorf("%v", err)
	}
	if _, err := first.Finish(0, nil); err != nil {
		t.Error(err)
	}
	h.Limits.Deadline = long
	third := h.call(t, abi.MethodCreate)
	if r := third.Lock([]byte("n"), abi.LockExclusive); r != 0 {
		t.Errorf("after the call that held it: %v", abi.Code(r))
	}
}

func TestACancelledWaitForALockIsCanceled(t *testing.T) {
	h := newHome(t)
	if r := h.call(t, abi.MethodCreate).Lock([]byte("n"), abi.LockExclusive); r != 0 {
		t.Fatal(abi.Code(r))
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := New(ctx, h.Env, Params{Method: abi.MethodCreate})
	time.AfterFunc(5*time.Millisecond, cancel)
	if r := c.Lock([]byte("n"), abi.LockShared); abi.Code(r) != abi.Canceled {
		t.Errorf("answered %v", abi.Code(r))
	}
	if _, err := c.Finish(0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
