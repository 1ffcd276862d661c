package process_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/child"
	"github.com/bulkhead/bulkhead/host/engine/process"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

func TestMain(m *testing.M) {
	child.Main() // if this process is one that a driver runs in
	os.Exit(m.Run())
}

// crossings is how many imports the driver of these tests calls in exists.
const crossings = 4

// driver logs in exists, loops in cleanup, traps in status, grows by 16 MiB in
// create, and has a configure.
func driver() []byte {
	m := assemble.New()
	log := m.Host(abi.ImportLog)
	line := func() []byte {
		return append(append(append(assemble.Const(1), assemble.Const(0)...), append(assemble.Const(4), assemble.Call(log)...)...), assemble.Drop()...)
	}
	for _, method := range append([]abi.Method{abi.MethodDescribe, abi.MethodConfigure}, abi.ProtoMethods()...) {
		code := assemble.Const(0)
		switch method {
		case abi.MethodExists:
			var lines []byte
			for range crossings {
				lines = append(lines, line()...)
			}
			code = append(lines, code...)
		case abi.MethodCleanup:
			code = append(assemble.Spin(), code...)
		case abi.MethodStatus:
			code = assemble.Unreachable()
		case abi.MethodCreate:
			code = append(assemble.UnlessIs(1), code...)
			code = append(assemble.Grow(256), code...)
			code = append(code[:len(code)-2], append(line(), assemble.Const(0)...)...)
		}
		m.Method(method.Export(), code)
	}
	m.Data = []assemble.Segment{{At: 0, Bytes: []byte("line")}}
	return m.Bytes()
}

// session answers what this driver asks.
type session struct {
	calls.Session
	log func()
}

func (s *session) Log(uint32, []byte) int32 {
	if s.log != nil {
		s.log()
	}
	return 0
}

func newRuntime(t testing.TB, dir string) *process.Runtime {
	t.Helper()
	rt, err := process.New(context.Background(), process.Config{CacheDir: dir})
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

func compile(t testing.TB, limits engine.Limits) engine.Module {
	t.Helper()
	m, err := newRuntime(t, "").Compile(context.Background(), "test", driver(), limits, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// offspring are the processes that this one has started and that are there,
// reaped ones not among them.
func offspring(t *testing.T) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err == nil { // else of a thread that has ended
			pids = append(pids, strings.Fields(string(text))...)
		}
	}
	return pids
}

func newRuntimeErr(dir string) (*process.Runtime, error) {
	return process.New(context.Background(), process.Config{CacheDir: dir})
}
