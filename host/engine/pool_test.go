package engine

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// counter is a driver whose put returns how often this instance served it,
// negated, so that tests see which instance they got.
func counter() []byte {
	a := newAsm()
	a.data = []byte{0, 0, 0, 0}
	count := [][]byte{
		i32c(0), i32c(0), {0x28, 0x02, 0x00}, i32c(-1), {0x6a}, {0x36, 0x02, 0x00}, // mem[0]--
		i32c(0), {0x28, 0x02, 0x00},
	}
	a.method(abi.ExportPut, count...)
	a.method(abi.ExportConfigure, i32c(0), i32c(-100), []byte{0x36, 0x02, 0x00}, i32c(0))
	a.method(abi.ExportCleanup, []byte{opUnreachable})
	a.method(abi.ExportExists, grow(4), []byte{opDrop}, i32c(0))
	return a.driver(abi.ExportPut, abi.ExportCleanup, abi.ExportExists).bytes()
}

func put(t *testing.T, m Module) int32 {
	t.Helper()
	code, err := m.Run(context.Background(), abi.ExportPut, &fake{})
	if err != nil {
		t.Error(err)
	}
	return code
}

func TestInstancesAreUsedAgain(t *testing.T) {
	m := compiled(t, counter(), Limits{HighWater: 2 * pageSize}, Options{})
	if a, b := put(t, m), put(t, m); a != -1 || b != -2 {
		t.Errorf("%d %d", a, b)
	}
	if code, err := m.RunOnce(context.Background(), abi.ExportPut, &fake{}); err != nil || code != -1 {
		t.Errorf("run once: %d %v", code, err)
	}
	if c := put(t, m); c != -3 {
		t.Errorf("%d", c)
	}
	if _, err := m.Run(context.Background(), abi.ExportCleanup, &fake{}); err == nil {
		t.Error("no trap")
	}
	if d := put(t, m); d != -1 {
		t.Errorf("an instance that trapped served again: %d", d)
	}
	if _, err := m.Run(context.Background(), abi.ExportExists, &fake{}); err != nil {
		t.Error(err)
	}
	if e := put(t, m); e != -1 {
		t.Errorf("an instance above the high water mark served again: %d", e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Run(ctx, abi.ExportPut, &fake{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if f := put(t, m); f != -2 {
		t.Errorf("a call that never began cost an instance: %d", f)
	}
}

func TestNegativeIdleMeansFreshInstances(t *testing.T) {
	m := compiled(t, counter(), Limits{Idle: -1}, Options{})
	if a, b := put(t, m), put(t, m); a != -1 || b != -1 {
		t.Errorf("%d %d", a, b)
	}
}

func TestConfigureRunsOncePerInstance(t *testing.T) {
	var asked int
	answer := int32(0)
	m := compiled(t, counter(), Limits{}, Options{
		Configure: func(context.Context) (calls.Session, func(int32, error) error, error) {
			asked++
			return &fake{}, func(code int32, err error) error {
				if code+answer != 0 {
					return abi.Code(answer)
				}
				return err
			}, nil
		},
	})
	if a, b := put(t, m), put(t, m); a != -101 || b != -102 || asked != 1 {
		t.Errorf("%d %d, asked %d times", a, b, asked)
	}
	if code, err := m.RunOnce(context.Background(), abi.ExportPut, &fake{}); err != nil || code != -1 || asked != 1 {
		t.Errorf("run once: %d %v, asked %d times", code, err, asked)
	}
	m.(*module).pool.idle[0].discard()
	m.(*module).pool.idle = nil
	answer = int32(abi.Prerequisites)
	if _, err := m.Run(context.Background(), abi.ExportPut, &fake{}); !errors.Is(err, abi.Prerequisites) {
		t.Errorf("%v", err)
	}
}

func TestCallsDoNotWaitForOneAnother(t *testing.T) {
	a := newAsm()
	f := a.host(abi.ImportCallArgs)
	a.method(abi.ExportPut, i32c(0), i32c(0), callf(f))
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{Idle: 2}, Options{})
	const n = 16
	var all, done sync.WaitGroup
	all.Add(n)
	for range n {
		done.Go(func() {
			s := &fake{on: func(string, ...[]byte) int32 { all.Done(); all.Wait(); return 0 }}
			if _, err := m.Run(context.Background(), abi.ExportPut, s); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if n := len(m.(*module).pool.idle); n != 2 {
		t.Errorf("%d instances idle, limit 2", n)
	}
}

// Contexts that end around the end of a call must not close an instance that
// is back in the pool.
func TestLateCancelsSpareThePool(t *testing.T) {
	m := compiled(t, counter(), Limits{}, Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				if _, err := m.Run(ctx, abi.ExportPut, &fake{}); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				put(t, m)
			}
		})
	}
	wg.Wait()
}
