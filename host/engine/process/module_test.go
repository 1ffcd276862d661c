package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

func TestATrapIsToldWithItsWords(t *testing.T) {
	m := compile(t, engine.Limits{})
	_, err := m.Run(context.Background(), abi.ExportStatus, &session{})
	var f *engine.Failure
	if !errors.As(err, &f) || f.Cause != engine.CauseTrap || f.Detail != "unreachable" || f.Export != abi.ExportStatus {
		t.Errorf("%#v", err)
	}
}

func TestTheBudgetIsThatOfAllChildren(t *testing.T) {
	ctx := context.Background()
	m := compile(t, engine.Limits{MemoryBudget: 20 << 20})
	grow := func(s *session) error {
		code, err := m.Run(ctx, abi.ExportCreate, s)
		if err == nil && code != 0 {
			err = abi.Code(code)
		}
		return err
	}
	err := grow(&session{log: func() {
		// One has 16 MiB, and a second one would.
		var f *engine.Failure
		var limit *calls.LimitError
		if err := grow(&session{}); !errors.As(err, &f) || f.Cause != engine.CauseBudget || !errors.As(err, &limit) || limit.Limit != "memory-budget" {
			t.Errorf("the second: %v", err)
		}
	}})
	if err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestConfigureIsTheFirstCallOfAPooledChildOnly(t *testing.T) {
	ctx := context.Background()
	configured := 0
	m, err := newRuntime(t, "").Compile(ctx, "test", driver(), engine.Limits{}, engine.Options{
		Configure: func(context.Context) (calls.Session, func(int32, error) error, error) {
			configured++
			return &session{}, nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	if _, err := m.RunOnce(ctx, abi.ExportDescribe, &session{}); err != nil || configured != 0 {
		t.Errorf("once: %v, configured %d times", err, configured)
	}
	child := offspring(t)
	for range 3 {
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil || configured != 1 {
			t.Errorf("pooled: %v, configured %d times", err, configured)
		}
	}
	if after := offspring(t); len(child) != 1 || !slices.Equal(child, after) {
		t.Errorf("children %v, and then %v", child, after)
	}
	if m.Has(abi.ExportDiff) || !m.Has(abi.ExportCreate) || m.Has("nothing") {
		t.Error("the module has other exports than it has")
	}
}

func TestWhatRunsOnceLeavesNothingInItsChild(t *testing.T) {
	ctx := context.Background()
	a := assemble.New()
	// Each call adds one to what is in memory, and grows it.
	count := slices.Concat(assemble.Const(0), assemble.Const(0), []byte{0x28, 0x02, 0x00}, assemble.Const(1), assemble.Add(), []byte{0x36, 0x02, 0x00},
		assemble.Grow(100), assemble.Drop(), assemble.Const(0), []byte{0x28, 0x02, 0x00})
	for _, method := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		a.Method(method.Export(), count)
	}
	m, err := newRuntime(t, "").Compile(ctx, "test", a.Bytes(), engine.Limits{MemoryPages: 150, MemoryBudget: 150 << 16}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(ctx)
	first := offspring(t)
	for range 3 {
		if n, err := m.RunOnce(ctx, abi.ExportExists, &session{}); n != 1 || err != nil {
			t.Errorf("once: %d %v", n, err)
		}
	}
	for want := range int32(3) {
		if n, err := m.Run(ctx, abi.ExportExists, &session{}); n != want+1 || err != nil {
			t.Errorf("kept: %d %v", n, err)
		}
	}
	if last := offspring(t); !slices.Equal(first, last) {
		t.Errorf("children %v, and then %v", first, last)
	}
}

func TestACallThatRunsOnceWhileItsModuleIsClosedLeavesNoChild(t *testing.T) {
	ctx := context.Background()
	m, err := newRuntime(t, "").Compile(ctx, "test", driver(), engine.Limits{}, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if _, err := m.RunOnce(ctx, abi.ExportExists, &session{}); err != nil {
					return
				}
			}
		})
	}
	if _, err := m.RunOnce(ctx, abi.ExportExists, &session{}); err != nil {
		t.Error(err)
	}
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	if left := offspring(t); len(left) != 0 {
		t.Errorf("children are left: %v", left)
	}
	wg.Wait()
}

func TestCompiledCodeIsKeptAndMadeAnewWhereItIsDamaged(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "cache")
	rt := newRuntime(t, dir)
	open := func() {
		t.Helper()
		m, err := rt.Compile(ctx, "test", driver(), engine.Limits{}, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil {
			t.Error(err)
		}
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	open()
	code := func() string {
		t.Helper()
		found, err := filepath.Glob(dir + "/process/*/*/*")
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		return found[0]
	}
	made, err := os.Stat(code())
	if err != nil {
		t.Fatal(err)
	}
	open()
	if again, err := os.Stat(code()); err != nil || !os.SameFile(made, again) {
		t.Errorf("it was compiled again: %v", err)
	}
	killed := filepath.Join(dir, "process", "compiling-1")
	if err := os.Mkdir(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(killed, time.Now(), time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(code(), []byte("damage"), 0o644); err != nil {
		t.Fatal(err)
	}
	open()
	for path, mode := range map[string]os.FileMode{dir: 0o700, dir + "/process": 0o700, filepath.Dir(filepath.Dir(code())): 0o755, code(): 0o644} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, fi.Mode(), err)
		}
	}
	if left, err := filepath.Glob(dir + "/process/compiling-*"); err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := newRuntimeErr(dir); err == nil || !strings.Contains(err.Error(), "may write") {
		t.Errorf("a cache that others may write: %v", err)
	}
}
