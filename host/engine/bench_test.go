package engine

import (
	"context"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// silent answers call_args and nothing else.
type silent struct{ calls.Session }

func (silent) CallArgs([]byte) int32 { return 0 }

func benchModule(b *testing.B, wasm []byte) Module {
	b.Helper()
	ctx := context.Background()
	rt, err := New(ctx, Config{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := rt.Compile(ctx, "bench", wasm, Limits{}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close(ctx); _ = rt.Close(ctx) })
	return m
}

func BenchmarkCall(b *testing.B) {
	m := benchModule(b, newAsm().driver().bytes())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Run(context.Background(), abi.ExportPut, silent{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrossing makes a thousand crossings per call.
func BenchmarkCrossing(b *testing.B) {
	a := newAsm()
	f := a.host(abi.ImportCallArgs)
	a.data = []byte{0, 0, 0, 0}
	a.method(abi.ExportPut,
		i32c(0), i32c(1000), []byte{0x36, 0x02, 0x00}, // mem[0] = 1000
		[]byte{0x03, 0x40}, // loop
		i32c(64), i32c(64), callf(f), []byte{opDrop},
		i32c(0), i32c(0), []byte{0x28, 0x02, 0x00}, i32c(-1), []byte{0x6a, 0x36, 0x02, 0x00}, // mem[0]--
		i32c(0), []byte{0x28, 0x02, 0x00, 0x0d, 0x00, 0x0b}, // again unless 0
		i32c(0))
	m := benchModule(b, a.driver(abi.ExportPut).bytes())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Run(context.Background(), abi.ExportPut, silent{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFreshInstance(b *testing.B) {
	m := benchModule(b, newAsm().driver().bytes())
	for b.Loop() {
		if _, err := m.RunOnce(context.Background(), abi.ExportPut, silent{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFreshGoInstance(b *testing.B) {
	wasm, err := buildGuest()
	if err != nil {
		b.Fatal(err)
	}
	m := benchModule(b, wasm)
	for b.Loop() {
		if _, err := m.RunOnce(context.Background(), abi.ExportCleanup, silent{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileSmall(b *testing.B) {
	ctx := context.Background()
	wasm := newAsm().driver().bytes()
	for b.Loop() {
		rt, err := New(ctx, Config{})
		if err != nil {
			b.Fatal(err)
		}
		m, err := rt.Compile(ctx, "bench", wasm, Limits{}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		_ = m.Close(ctx)
		_ = rt.Close(ctx)
	}
}
