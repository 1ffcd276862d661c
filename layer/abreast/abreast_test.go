package abreast

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
)

func TestEachPieceIsDoneOnce(t *testing.T) {
	var done [1000]atomic.Int32
	if err := Do(t.Context(), len(done), func(_ context.Context, i int) error { done[i].Add(1); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range done {
		if n := done[i].Load(); n != 1 {
			t.Errorf("piece %d was done %d times", i, n)
		}
	}
	if err := Do(t.Context(), 0, nil); err != nil {
		t.Error(err)
	}
}

func TestTheFirstErrorEndsIt(t *testing.T) {
	bad := errors.New("bad")
	var after atomic.Int32
	err := Do(t.Context(), 1<<30, func(ctx context.Context, i int) error {
		if i == 10 {
			return bad
		}
		if i > 10 {
			after.Add(1)
			<-ctx.Done()
		}
		return nil
	})
	if n := int(after.Load()); !errors.Is(err, bad) || n >= runtime.GOMAXPROCS(0) {
		t.Errorf("got %v, and %d pieces were done after that", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Do(ctx, 5, func(context.Context, int) error { t.Error("was begun"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
