package host_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/child"
)

const (
	// builtVariable names the directory of what tests compile.
	builtVariable = "BULKHEAD_TEST_BUILT"
	// nativeVariable names a directory that keeps native code from one run to
	// the next, if it is set. It is found by the module's content.
	nativeVariable = "BULKHEAD_TEST_NATIVE"
	// guestsVariable names a directory that keeps drivers in wasm from one run
	// to the next, if it is set. They are found by where their source is, so
	// that it is for sources that do not change.
	guestsVariable = "BULKHEAD_TEST_GUESTS"
)

func guestsDir() string {
	if dir := os.Getenv(guestsVariable); dir != "" {
		return dir
	}
	return os.Getenv(builtVariable)
}

func nativeDir() string {
	if dir := os.Getenv(nativeVariable); dir != "" {
		return dir
	}
	return filepath.Join(os.Getenv(builtVariable), "native")
}

// TestMain keeps what is compiled, to wasm and to native code, for all tests.
func TestMain(m *testing.M) {
	child.Main()                        // if this process is one that a driver runs in
	if os.Getenv(builtVariable) != "" { // a process that a test starts
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "built")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Setenv(builtVariable, dir)
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// runtime compiles each module once for all tests.
func runtime(t testing.TB) *engine.Runtime {
	t.Helper()
	rt, err := engine.New(context.Background(), engine.Config{CacheDir: nativeDir()})
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

// build compiles a Go driver to a module, unless a test did.
func build(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q", dir, args))
	kept := filepath.Join(guestsDir(), fmt.Sprintf("%x.wasm", key[:8]))
	if wasm, err := os.ReadFile(kept); err == nil {
		return wasm
	}
	if err := os.MkdirAll(guestsDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	new, err := os.MkdirTemp(guestsDir(), "new")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(new)
	out := filepath.Join(new, "driver.wasm")
	cmd := exec.Command("go", slices.Concat([]string{"build", "-buildmode=c-shared", "-o", out}, args, []string{"."})...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	wasm, err := os.ReadFile(out)
	if err == nil {
		err = os.Rename(out, kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}
