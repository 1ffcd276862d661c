package process_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
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
	if left := offspring(t); len(left) != 0 {
		t.Errorf("a throwaway child is left: %v", left)
	}
	for range 3 {
		if _, err := m.Run(ctx, abi.ExportExists, &session{}); err != nil || configured != 1 {
			t.Errorf("pooled: %v, configured %d times", err, configured)
		}
	}
	if m.Has(abi.ExportDiff) || !m.Has(abi.ExportCreate) || m.Has("nothing") {
		t.Error("the module has other exports than it has")
	}
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
