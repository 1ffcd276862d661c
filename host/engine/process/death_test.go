package process_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// only is the one child there is.
func only(t *testing.T) int {
	t.Helper()
	pids := offspring(t)
	if len(pids) != 1 {
		t.Fatalf("there are the children %v", pids)
	}
	pid, err := strconv.Atoi(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestAChildThatDiesAtACrossingFailsItsCallOnly(t *testing.T) {
	ctx := context.Background()
	m := compile(t, engine.Limits{Idle: 2})
	for at := range crossings {
		// The first call has the only child, and is alone in its crossing when
		// it is killed; the second begins and stops before that, and goes on.
		var once sync.Once
		inFlight, dead, other := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		n := 0
		_, err := m.Run(ctx, abi.ExportExists, &session{log: func() {
			if n++; n-1 != at {
				return
			}
			pid := only(t)
			go func() {
				code, err := m.Run(ctx, abi.ExportExists, &session{log: func() {
					once.Do(func() {
						close(inFlight)
						<-dead
					})
				}})
				if err == nil && code != 0 {
					err = abi.Code(code)
				}
				other <- err
			}()
			<-inFlight
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}})
		close(dead)
		var f *engine.Failure
		if !errors.As(err, &f) || f.Cause != engine.CauseEnded || f.Export != abi.ExportExists {
			t.Errorf("killed at crossing %d: %v", at, err)
		}
		if err := <-other; err != nil {
			t.Errorf("the other call, when one was killed at crossing %d: %v", at, err)
		}
		if code, err := m.Run(ctx, abi.ExportExists, &session{}); code != 0 || err != nil {
			t.Errorf("the next call: %d %v", code, err)
		}
		only(t) // no zombie, and the one that went on
	}
}

func TestAChildThatIsStoppedEndsAtTheDeadline(t *testing.T) {
	m := compile(t, engine.Limits{})
	ctx, cancel := context.WithCancelCause(context.Background())
	limit := &calls.LimitError{Limit: "deadline", Value: "a moment"}
	_, err := m.Run(ctx, abi.ExportExists, &session{log: func() {
		if err := unix.Kill(only(t), unix.SIGSTOP); err != nil {
			t.Error(err)
		}
		time.AfterFunc(time.Millisecond, func() { cancel(limit) })
	}})
	if !errors.Is(err, limit) {
		t.Errorf("%v", err)
	}
	if left := offspring(t); len(left) != 0 {
		t.Errorf("children are left: %v", left)
	}
}

func TestALoopWithoutCrossingsIsEnded(t *testing.T) {
	m := compile(t, engine.Limits{})
	ctx, cancel := context.WithCancelCause(context.Background())
	limit := &calls.LimitError{Limit: "deadline", Value: "a moment"}
	time.AfterFunc(10*time.Millisecond, func() { cancel(limit) })
	if _, err := m.Run(ctx, abi.ExportCleanup, &session{}); !errors.Is(err, limit) {
		t.Errorf("%v", err)
	}
}

func TestAnIdleChildThatDiedIsNotUsed(t *testing.T) {
	ctx := context.Background()
	m := compile(t, engine.Limits{})
	for range 3 {
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil {
			t.Fatal(err)
		}
		pid := only(t)
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for len(offspring(t)) != 0 { // until it is reaped
			runtime.Gosched()
		}
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	count := func() (fds int) {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	warm := compile(t, engine.Limits{}) // what the runtime opens once
	if err := warm.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	goroutines, fds := runtime.NumGoroutine(), count()
	rt := newRuntime(t, "")
	m, err := rt.Compile(context.Background(), "test", driver(), engine.Limits{Idle: 3}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	started, ended := make(chan struct{}, 3), make(chan error, 3)
	release := make(chan struct{})
	for range 3 {
		go func() {
			var once sync.Once
			_, err := m.Run(context.Background(), abi.ExportExists, &session{log: func() {
				once.Do(func() {
					started <- struct{}{}
					<-release
				})
			}})
			ended <- err
		}()
	}
	for range 3 {
		<-started
	}
	if n := len(offspring(t)); n != 3 {
		t.Errorf("three calls in flight have %d children", n)
	}
	close(release)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	looping := make(chan error, 1)
	go func() {
		_, err := m.Run(context.Background(), abi.ExportCleanup, &session{})
		looping <- err
	}()
	for len(offspring(t)) != 3 {
		runtime.Gosched()
	}
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-looping; err == nil {
		t.Error("a call went on after its module was closed")
	}
	if err := rt.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if left := offspring(t); len(left) != 0 {
		t.Errorf("children are left: %v", left)
	}
	if n := count(); n != fds {
		t.Errorf("%d descriptors, before %d", n, fds)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before %d\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
