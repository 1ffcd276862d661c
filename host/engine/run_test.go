package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

func TestImportsReachTheSession(t *testing.T) {
	a := newAsm()
	a.data = []byte("dir/one")
	base, result := a.host(abi.ImportBaseOpen), a.host(abi.ImportResult)
	// base_open answers 7; its low word becomes the length of the result.
	a.method(abi.ExportGet, i32c(0), i32c(0), i32c(7), callf(base), []byte{0xa7}, callf(result))
	m := compiled(t, a.driver(abi.ExportGet).bytes(), Limits{}, Options{})
	s := &fake{on: func(name string, _ ...[]byte) int32 {
		if name == abi.ImportBaseOpen {
			return 7
		}
		return int32(abi.NoSpace)
	}}
	code, err := m.Run(context.Background(), abi.ExportGet, s)
	if err != nil || code != int32(abi.NoSpace) {
		t.Fatalf("%d %v", code, err)
	}
	if len(s.saw) != 2 || string(s.saw[0]) != "dir/one" || string(s.saw[1]) != "dir/one" {
		t.Errorf("%q", s.saw)
	}
}

func TestPointersBeyondMemoryAreInvalid(t *testing.T) {
	for name, at := range map[string][2]int32{
		"end":       {65530, 7},
		"beyond":    {1 << 20, 1},
		"wraps":     {-1, 2},
		"all":       {0, -1},
		"exact end": {65530, 6},
		"no length": {-5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsm()
			equal := a.host(abi.ImportFilesEqual)
			a.method(abi.ExportPut, i32c(0), i32c(4), i32c(at[0]), i32c(at[1]), callf(equal))
			m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
			s := &fake{on: func(string, ...[]byte) int32 { return 5 }}
			code, err := m.Run(context.Background(), abi.ExportPut, s)
			want := int32(abi.Invalid)
			if name == "exact end" || name == "no length" {
				want = 5
			}
			if err != nil || code != want {
				t.Errorf("%d %v, want %d", code, err, want)
			}
			if want < 0 && len(s.saw) != 0 {
				t.Errorf("the session was asked: %q", s.saw)
			}
		})
	}
}

func TestImportsBeforeACallAreBadOrder(t *testing.T) {
	a := newAsm()
	result := a.host(abi.ImportResult)
	// _initialize traps unless result answers BadOrder.
	a.export("_initialize", 0, a.fn(nil, nil,
		i32c(0), i32c(0), callf(result), i32c(int32(abi.BadOrder)), []byte{0x47, 0x04, 0x40, opUnreachable, 0x0b}))
	m := compiled(t, a.driver().bytes(), Limits{}, Options{})
	s := &fake{}
	if code, err := m.Run(context.Background(), abi.ExportPut, s); err != nil || code != 0 || len(s.saw) != 0 {
		t.Errorf("%d %v %q", code, err, s.saw)
	}
}

func TestEndlessLoopsEndWithTheContext(t *testing.T) {
	for name, build := range map[string]func(a *asm) *asm{
		"in an export": func(a *asm) *asm { a.method(abi.ExportPut, spin(), i32c(0)); return a.driver(abi.ExportPut) },
		"in start":     func(a *asm) *asm { a.start = a.fn(nil, nil, spin()); return a.driver() },
		"in initialize": func(a *asm) *asm {
			a.export("_initialize", 0, a.fn(nil, nil, spin()))
			return a.driver()
		},
		"in configure": func(a *asm) *asm { a.method(abi.ExportConfigure, spin(), i32c(0)); return a.driver() },
	} {
		t.Run(name, func(t *testing.T) {
			configure := func(context.Context) (calls.Session, func(int32, error) error, error) {
				return &fake{}, nil, nil
			}
			m := compiled(t, build(newAsm()).bytes(), Limits{}, Options{Configure: configure})
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(context.Background())
			begun := time.Now()
			time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
			_, err := m.Run(ctx, abi.ExportPut, &fake{})
			if !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
			if d := time.Since(begun); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
			ctx, done := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer done()
			if _, err := m.Run(ctx, abi.ExportPut, &fake{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	a := newAsm()
	a.method(abi.ExportPut, spin(), i32c(0))
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
	done := make(chan error)
	go func() {
		_, err := m.Run(context.Background(), abi.ExportPut, &fake{})
		done <- err
	}()
	time.Sleep(10 * time.Millisecond)
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := m.Run(context.Background(), abi.ExportPut, &fake{}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestFailuresAreTypedAndTheModuleGoesOn(t *testing.T) {
	i32 := []byte{tI32}
	for name, test := range map[string]struct {
		build  func(a *asm)
		limits Limits
		cause  Cause
		detail string
	}{
		"trap": {func(a *asm) { a.method(abi.ExportPut, []byte{opUnreachable}) }, Limits{}, CauseTrap, "unreachable"},
		"division": {func(a *asm) { a.method(abi.ExportPut, i32c(1), i32c(0), []byte{0x6d}) }, Limits{}, CauseTrap,
			"integer divide by zero"},
		"stack": {func(a *asm) { a.method(abi.ExportPut, callf(len(a.imports))) }, Limits{}, CauseTrap, "stack overflow"},
		"exit": {func(a *asm) {
			exit := a.use("wasi_snapshot_preview1", "proc_exit", i32, nil)
			a.method(abi.ExportPut, i32c(3), callf(exit), i32c(0))
		}, Limits{}, CauseExit, "exit status 3"},
		"exit in initialize": {func(a *asm) {
			exit := a.use("wasi_snapshot_preview1", "proc_exit", i32, nil)
			a.export("_initialize", 0, a.fn(nil, nil, i32c(0), callf(exit)))
			a.method(abi.ExportPut, i32c(0))
		}, Limits{}, CauseExit, "exit status 0"},
		"trap in start": {func(a *asm) {
			a.start = a.fn(nil, nil, []byte{opUnreachable})
			a.method(abi.ExportPut, i32c(0))
		}, Limits{}, CauseTrap, "unreachable"},
		"host panic": {func(a *asm) {
			f := a.host(abi.ImportMakeDir) // the fake has none
			a.method(abi.ExportPut, i64c(0), i32c(0), i32c(0), i32c(0), callf(f))
		}, Limits{}, CausePanic, "nil pointer"},
		"memory": {func(a *asm) {
			a.method(abi.ExportPut, grow(40), []byte{opDrop, opUnreachable})
		}, Limits{MemoryPages: 16}, CauseMemory, "memory of 1048576 bytes reached; raise"},
		"memory budget": {func(a *asm) {
			a.method(abi.ExportPut, grow(10), []byte{opDrop, opUnreachable})
		}, Limits{MemoryPages: 16, MemoryBudget: 8 * pageSize}, CauseBudget, "memory-budget of 524288 bytes reached; raise"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsm()
			test.build(a)
			m := compiled(t, a.driver(abi.ExportPut).bytes(), test.limits, Options{})
			for range 2 {
				_, err := m.Run(context.Background(), abi.ExportPut, &fake{})
				var f *Failure
				if !errors.As(err, &f) {
					t.Fatalf("%v", err)
				}
				if f.Cause != test.cause || f.Export != abi.ExportPut || !strings.Contains(f.Error(), test.detail) || strings.Contains(f.Error(), "\n") {
					t.Errorf("%+v", f)
				}
			}
			if a.start < 0 && !m.Has("_initialize") {
				if code, err := m.Run(context.Background(), abi.ExportCleanup, &fake{}); code != 0 || err != nil {
					t.Errorf("afterwards: %d %v", code, err)
				}
			}
		})
	}
}

func TestGrowthBeyondTheLimitAnswersMinusOne(t *testing.T) {
	a := newAsm()
	a.method(abi.ExportPut, grow(15))
	a.method(abi.ExportExists, grow(16))
	m := compiled(t, a.driver(abi.ExportPut, abi.ExportExists).bytes(), Limits{MemoryPages: 16}, Options{})
	for export, want := range map[string]int32{abi.ExportPut: 1, abi.ExportExists: -1} {
		if code, err := m.RunOnce(context.Background(), export, &fake{}); err != nil || code != want {
			t.Errorf("%s: %d %v", export, code, err)
		}
	}
}

func TestBudgetIsExactAcrossInstances(t *testing.T) {
	a := newAsm()
	exists := a.host(abi.ImportCallArgs)
	a.method(abi.ExportPut, i32c(0), i32c(0), callf(exists))
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{MemoryBudget: 3 * pageSize}, Options{})
	in, out := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s := &fake{on: func(string, ...[]byte) int32 { in <- struct{}{}; <-out; return 0 }}
			if _, err := m.Run(context.Background(), abi.ExportPut, s); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-in
	}
	var f *Failure
	if _, err := m.Run(context.Background(), abi.ExportPut, &fake{}); !errors.As(err, &f) || f.Cause != CauseBudget {
		t.Errorf("%v", err)
	}
	close(out)
	wg.Wait()
	if _, err := m.Run(context.Background(), abi.ExportPut, &fake{}); err != nil {
		t.Error(err)
	}
}
