package process_test

import (
	"bytes"
	"context"
	"slices"
	"syscall"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// BenchmarkCrossing is one import of a child, there and back.
func BenchmarkCrossing(b *testing.B) {
	ctx := context.Background()
	m := compile(b, engine.Limits{})
	if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crossings, "ns/crossing")
}

// BenchmarkStart is a child from nothing to its first answer, its code in the
// cache.
func BenchmarkStart(b *testing.B) {
	ctx := context.Background()
	m := compile(b, engine.Limits{Idle: -1})
	for b.Loop() {
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil {
			b.Fatal(err)
		}
	}
}

// stats is how many file calls a driver makes that works through WASI alone.
const stats = 1000

// BenchmarkFileCalls is such a driver, in this process and in one of its own:
// what of a file call is not the file's.
func BenchmarkFileCalls(b *testing.B) {
	ctx := context.Background()
	m := assemble.New()
	i32 := byte(assemble.I32)
	stat := m.Import("wasi_snapshot_preview1", "path_filestat_get", []byte{i32, i32, i32, i32, i32}, []byte{i32})
	for _, method := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		var code []byte
		if method == abi.MethodExists {
			one := slices.Concat(assemble.Const(3), assemble.Const(0), assemble.Const(0), assemble.Const(4), assemble.Const(64), assemble.Call(stat), assemble.UnlessIs(0))
			code = bytes.Repeat(one, stats)
		}
		m.Method(method.Export(), code, assemble.Const(0))
	}
	m.Data = []assemble.Segment{{At: 0, Bytes: []byte("file")}}
	threads, err := engine.New(ctx, engine.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer threads.Close(ctx)
	for name, compile := range map[string]func(context.Context, string, []byte, engine.Limits, engine.Options) (engine.Module, error){
		"thread": threads.Compile, "process": newRuntime(b, "").Compile,
	} {
		b.Run(name, func(b *testing.B) {
			m, err := compile(ctx, "files", m.Bytes(), engine.Limits{}, engine.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close(ctx)
			for b.Loop() {
				if code, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil || code != 0 {
					b.Fatal(code, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/stats, "ns/call")
		})
	}
}

// Stat answers for a file that is there.
func (s *session) Stat(calls.Mount, string, bool) (calls.FileStat, syscall.Errno) {
	return calls.FileStat{Ino: 1, Mode: 0o644, Nlink: 1}, 0
}
