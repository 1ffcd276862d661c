package host_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func TestAStreamEndsWithWhatEndedIt(t *testing.T) {
	s := besieged(t)
	defer s.d.Close(context.Background())
	goroutines, files := resources(t)

	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("a reason")
	r, err := s.d.Diff(ctx, "x.lock-and-stream", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	cancel(reason)
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, reason) {
		t.Errorf("cancelled: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}

	// A reader that leaves has the call end, and its locks with it.
	for range 3 {
		r, err := s.d.Diff(context.Background(), "x.lock-and-stream", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	noLeaks(t, goroutines, files)

	// So does closing the driver.
	r, err = s.d.Diff(context.Background(), "x.lock-and-stream", "")
	if err != nil {
		t.Fatal(err)
	}
	soon, stop := context.WithTimeout(context.Background(), 10*time.Second) // before the idle limit
	defer stop()
	if err := s.d.Close(soon); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, r); err == nil {
		t.Error("the stream of a closed driver has a regular end")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.d.Exists(context.Background(), "peer"); err == nil {
		t.Error("a closed driver answers")
	}
}

func TestNoCallBeginsWithAnIDThatIsNone(t *testing.T) {
	s := besieged(t)
	defer s.d.Close(context.Background())
	ctx := context.Background()
	for _, id := range []string{"", "..", "../canary", "a/b", ".hidden", "a\x00", strings.Repeat("a", graphdriver.MaxID+1)} {
		_, gerr := s.d.Get(ctx, id, "")
		_, eerr := s.d.Exists(ctx, id)
		_, derr := s.d.Diff(ctx, id, "")
		for what, err := range map[string]error{
			"create": s.d.Create(ctx, id, "", graphdriver.CreateOptions{}), "remove": s.d.Remove(ctx, id), "get": gerr, "exists": eerr, "diff": derr,
			"seal": s.d.Seal(ctx, id),
		} {
			if !errors.Is(err, graphdriver.ErrInvalid) {
				t.Errorf("%s %q: %v", what, id, err)
			}
		}
		if err := s.d.Create(ctx, "child", id, graphdriver.CreateOptions{}); id != "" && !errors.Is(err, graphdriver.ErrInvalid) {
			t.Errorf("parent %q: %v", id, err)
		}
	}
	longest := strings.Repeat("a", graphdriver.MaxID)
	if err := s.d.Create(ctx, longest, "peer", graphdriver.CreateOptions{}); err != nil {
		t.Error(err)
	}
	s.unharmed(t)
}
