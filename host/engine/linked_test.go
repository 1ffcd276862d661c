package engine

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
)

func newRuntime(t *testing.T) *Runtime {
	t.Helper()
	rt, err := New(context.Background(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func TestModulesAreNotTakenForOneAnother(t *testing.T) {
	rt := newRuntime(t)
	one, two := newAsm(), newAsm()
	one.method(abi.ExportPut, i32c(1))
	two.method(abi.ExportPut, i32c(2))
	given := map[int32][]byte{1: one.driver(abi.ExportPut).bytes(), 2: two.driver(abi.ExportPut).bytes()}
	for _, want := range []int32{1, 1, 2, 1, 2, 2} {
		wasm := bytes.Clone(given[want])
		m, err := rt.Compile(context.Background(), "m", wasm, Limits{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		clear(wasm) // the caller's again
		if code, err := m.Run(context.Background(), abi.ExportPut, &fake{}); code != want || err != nil {
			t.Errorf("%d %v, want %d", code, err, want)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestAModuleOpenedTwiceIsCompiledOnceAndEndsAlone(t *testing.T) {
	ctx := context.Background()
	rt, a := newRuntime(t), newAsm()
	a.method(abi.ExportPut, i32c(7))
	wasm, other := a.driver(abi.ExportPut).bytes(), newAsm().driver().bytes()
	open := func(wasm []byte, l Limits) *module {
		m, err := rt.Compile(ctx, "m", wasm, l, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return m.(*module)
	}
	serves := func(m *module) {
		t.Helper()
		if code, err := m.Run(ctx, abi.ExportPut, &fake{}); code != 7 || err != nil {
			t.Errorf("%d %v", code, err)
		}
	}
	first, second := open(wasm, Limits{}), open(wasm, Limits{Idle: -1})
	if first.linked != second.linked {
		t.Error("it was compiled twice")
	}
	if first.limits == second.limits || first.budget == second.budget || first.pool == second.pool {
		t.Error("they share more than code")
	}
	serves(first)
	serves(second)
	if err := first.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := first.Run(ctx, abi.ExportPut, &fake{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
	serves(second)
	third := open(other, Limits{}) // takes the place of what is kept
	serves(second)
	if err := errors.Join(second.Close(ctx), third.Close(ctx)); err != nil {
		t.Error(err)
	}
}

func TestModulesOpenAndCloseAtATime(t *testing.T) {
	ctx := context.Background()
	rt, a := newRuntime(t), newAsm()
	a.method(abi.ExportPut, i32c(7))
	given := [][]byte{a.driver(abi.ExportPut).bytes(), newAsm().driver().bytes()}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 10 {
				m, err := rt.Compile(ctx, "m", given[(i+n)%2], Limits{}, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				want := int32(7 * (1 - (i+n)%2))
				if code, err := m.Run(ctx, abi.ExportPut, &fake{}); code != want || err != nil {
					t.Errorf("%d %v", code, err)
				}
				if err := m.Close(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := rt.links.last.users; n != 1 {
		t.Errorf("%d still use it", n-1)
	}
}
