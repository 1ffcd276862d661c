package engine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
)

func TestCompileRefusesWhatIsNoDriver(t *testing.T) {
	void := []byte(nil)
	i32 := []byte{tI32}
	for name, test := range map[string]struct {
		make func() []byte
		want []string
	}{
		"not wasm":    {func() []byte { return []byte("#!/bin/sh\n") }, []string{"not a WebAssembly module"}},
		"cut short":   {func() []byte { return newAsm().driver().bytes()[:30] }, []string{"cut short"}},
		"broken code": {func() []byte { a := newAsm(); a.method("x", []byte{0xff}); return a.driver().bytes() }, []string{"module test"}},
		"foreign modules, all listed": {func() []byte {
			a := newAsm()
			a.use("env", "abort", void, void)
			a.use("wasi_unstable", "fd_read", void, void)
			a.use("env", "exit", void, void)
			return a.driver().bytes()
		}, []string{`"env", "wasi_unstable"`, abi.Module}},
		"another version of the ABI": {func() []byte {
			a := newAsm()
			a.use("graphdriver_v2", abi.ImportLog, void, void)
			return a.driver().bytes()
		}, []string{`"graphdriver_v2"`, `"graphdriver_v1"`}},
		"unknown import": {func() []byte {
			a := newAsm()
			a.use(abi.Module, "self_destruct", void, i32)
			a.use(abi.Module, "teleport", void, i32)
			return a.driver().bytes()
		}, []string{"graphdriver_v1.self_destruct, graphdriver_v1.teleport", "speaks graphdriver_v1"}},
		"wrong signature": {func() []byte {
			a := newAsm()
			a.use(abi.Module, abi.ImportLog, i32, i32)
			return a.driver().bytes()
		}, []string{"graphdriver_v1.log as (i32) -> i32", "is (i32, i32, i32) -> i32"}},
		"unknown WASI function": {func() []byte {
			a := newAsm()
			a.use("wasi_snapshot_preview1", "fd_teleport", void, i32)
			return a.driver().bytes()
		}, []string{"wasi_snapshot_preview1.fd_teleport"}},
		"imported memory": {func() []byte {
			a := newAsm()
			a.noMemory = true
			a.imports = append(a.imports, append(append(str(abi.Module), str("memory")...), 2, 0, 1))
			return a.driver().bytes()
		}, []string{"graphdriver_v1.memory"}},
		"missing exports": {func() []byte {
			a := newAsm()
			return a.driver(abi.ExportDescribe, abi.ExportGet).bytes()
		}, []string{"lacks the exports driver_describe, driver_get"}},
		"wrong exports": {func() []byte {
			a := newAsm()
			a.export(abi.ExportGet, 0, a.fn(i32, i32, i32c(0)))
			a.export(abi.ExportDiff, 0, a.fn(nil, nil))
			return a.driver(abi.ExportGet).bytes()
		}, []string{"driver_get is (i32) -> i32", "driver_diff is () -> ()"}},
		"no memory": {func() []byte { a := newAsm(); a.noMemory = true; return a.driver().bytes() }, []string{"exports no memory"}},
		"too much memory at once": {func() []byte {
			a := newAsm()
			a.memory = append([]byte{0}, uleb(100)...)
			return a.driver().bytes()
		}, []string{"needs 100 pages", "limit of 16"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tryCompile(t, Config{}, test.make(), Limits{MemoryPages: 16}, Options{})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q: %v", want, err)
				}
			}
		})
	}
}

func TestHasTellsExports(t *testing.T) {
	m := compiled(t, newAsm().driver().bytes(), Limits{}, Options{})
	if !m.Has(abi.ExportGet) || m.Has(abi.ExportDiff) {
		t.Errorf("get %v, diff %v", m.Has(abi.ExportGet), m.Has(abi.ExportDiff))
	}
}

func TestCacheDirIsOursAlone(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	fresh := filepath.Join(dir, "fresh")
	rt, err := New(ctx, Config{CacheDir: fresh})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Compile(ctx, "a", newAsm().driver().bytes(), Limits{}, Options{}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(fresh); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if files, _ := filepath.Glob(filepath.Join(fresh, "*", "*")); len(files) == 0 {
		t.Error("nothing was cached")
	}

	open := filepath.Join(dir, "open")
	link := filepath.Join(dir, "link")
	file := filepath.Join(dir, "file")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fresh, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := []string{open, link, file, filepath.Join(dir, "no", "parent")}
	if os.Geteuid() == 0 {
		foreign := filepath.Join(dir, "foreign")
		if err := os.Mkdir(foreign, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, foreign)
	}
	for _, d := range bad {
		if _, err := New(ctx, Config{CacheDir: d}); err == nil || !strings.Contains(err.Error(), d) {
			t.Errorf("%s: %v", d, err)
		}
	}
}
