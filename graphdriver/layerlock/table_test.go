package layerlock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func acquire(t *testing.T, l *Table, name string, exclusive bool) func() {
	t.Helper()
	release, err := l.Acquire(context.Background(), name, exclusive)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// waiters is how many hold or wait for a name.
func (l *Table) waiters(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st := l.names[name]; st != nil {
		return st.users
	}
	return 0
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAWriterExcludesAll(t *testing.T) {
	l := New()
	release := acquire(t, l, "a", true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, exclusive := range []bool{false, true} {
		if _, err := l.Acquire(ctx, "a", exclusive); !errors.Is(err, context.Canceled) {
			t.Errorf("exclusive %v: %v", exclusive, err)
		}
	}
	acquire(t, l, "b", true)() // another name is free
	release()
	acquire(t, l, "a", true)()
}

func TestReadersShare(t *testing.T) {
	l := New()
	a, b := acquire(t, l, "a", false), acquire(t, l, "a", false)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Acquire(ctx, "a", true); !errors.Is(err, context.Canceled) {
		t.Errorf("a writer beside readers: %v", err)
	}
	a()
	if _, err := l.Acquire(ctx, "a", true); !errors.Is(err, context.Canceled) {
		t.Errorf("a writer beside the last reader: %v", err)
	}
	b()
	acquire(t, l, "a", true)()
}

func TestAWaitingWriterBlocksNoReader(t *testing.T) {
	l := New()
	reader := acquire(t, l, "a", false)
	got := make(chan func())
	go func() {
		release, _ := l.Acquire(context.Background(), "a", true)
		got <- release
	}()
	eventually(t, "the writer waits", func() bool { return l.waiters("a") == 2 })
	acquire(t, l, "a", false)() // would hang if the writer had a claim
	reader()
	(<-got)()
}

func TestAWaitEndsWithTheCauseOfItsContext(t *testing.T) {
	l := New()
	defer acquire(t, l, "a", true)()
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("a reason")
	failed := make(chan error)
	go func() {
		_, err := l.Acquire(ctx, "a", false)
		failed <- err
	}()
	eventually(t, "the reader waits", func() bool { return l.waiters("a") == 2 })
	cancel(reason)
	if err := <-failed; err != reason {
		t.Errorf("%v", err)
	}
	if n := l.waiters("a"); n != 1 {
		t.Errorf("%d hold or wait", n)
	}
}

func TestReleasingTwiceIsReleasingOnce(t *testing.T) {
	l := New()
	first := acquire(t, l, "a", false)
	second := acquire(t, l, "a", false)
	first()
	first()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Acquire(ctx, "a", true); err == nil {
		t.Error("the second reader was released by the first")
	}
	second()
}

func TestNoNameIsKeptAfterItsLastUser(t *testing.T) {
	l := New()
	var group sync.WaitGroup
	var writers [3]atomic.Int32
	for i := range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			for k := range 50 {
				n := (i + k) % 3
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(k)*100*time.Microsecond)
				exclusive := k%3 == 0
				release, err := l.Acquire(ctx, fmt.Sprint(n), exclusive)
				if err == nil {
					if exclusive && writers[n].Add(1) != 1 {
						t.Error("two writers")
					}
					if !exclusive && writers[n].Load() != 0 {
						t.Error("a reader beside a writer")
					}
					if exclusive {
						writers[n].Add(-1)
					}
					release()
				}
				cancel()
			}
		}()
	}
	group.Wait()
	if len(l.names) != 0 {
		t.Errorf("%d names are left", len(l.names))
	}
}
