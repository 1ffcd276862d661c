package engine

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/abi"
)

// guestDir holds what compiling testdata/goguest gives, wasm and native code.
var guestDir string

func TestMain(m *testing.M) {
	var err error
	if guestDir, err = os.MkdirTemp("", "goguest"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(guestDir)
	os.Exit(code)
}

// buildGuest compiles testdata/goguest once per test binary.
var buildGuest = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(guestDir, "goguest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/goguest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.New(string(msg))
	}
	return os.ReadFile(out)
})

func goGuest(t *testing.T, l Limits) Module {
	t.Helper()
	wasm, err := buildGuest()
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("BULKHEAD_TEST_NATIVE") // kept from one run to the next, by content
	if cache == "" {
		cache = filepath.Join(guestDir, "cache")
	}
	return compiledBy(t, Config{CacheDir: cache}, wasm, l, Options{})
}

func newFake(t *testing.T) *fake {
	t.Helper()
	return &fake{dirs: [2]string{t.TempDir(), t.TempDir()}}
}

// pairs are the last result's.
func (f *fake) pairs(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for b := f.saw[len(f.saw)-1]; len(b) > 0; {
		rec, rest, ok, _ := abi.Next(b)
		if !ok {
			t.Fatalf("%q is no record", b)
		}
		field, _ := abi.ParseField(rec)
		k, v, _ := field.Pair()
		out[k] = v
		b = rest
	}
	return out
}

func TestGuestsInGoUseFiles(t *testing.T) {
	m := goGuest(t, Limits{})
	for range 2 { // a new instance, then the same one
		s := newFake(t)
		code, err := m.Run(context.Background(), abi.ExportStatus, s)
		if err != nil || code != 0 {
			t.Fatalf("%d %v %q", code, err, s.lines)
		}
		got := s.pairs(t)
		names := "f g l"
		for i := range 30 {
			names += " n" + string(rune('0'+i/10)) + string(rune('0'+i%10))
		}
		for op, want := range map[string]string{
			"mkdir": "", "mkdir again": "error: file exists", "write": "", "read": "hello world",
			"exclusive": "error: file exists", "append": "hello world!", "at": "World", "truncate": "hello",
			"symlink": "", "readlink": "f", "lstat": "L---------", "stat": "5", "chtimes": "1000000000",
			"link": "", "rename": "", "rename across": "error: not implemented on wasip1", "many names": names,
			"root": "1", "scratch": "", "remove": "", "remove full": "error: directory not empty",
			"remove all": "", "gone": "error: no such file or directory",
			"above":     "error: no such file or directory",
			"arguments": "0 0",
		} {
			if have, ok := got[op]; !ok || !strings.EqualFold(have, want) {
				t.Errorf("%s: %q, want %q", op, have, want)
			}
		}
		if s.open != 0 {
			t.Errorf("%d files are open", s.open)
		}
		if b, _ := os.ReadFile(filepath.Join(s.dirs[1], "x")); string(b) != "scratch" {
			t.Errorf("scratch holds %q", b)
		}
	}
}

func TestFilesDieWithTheirCall(t *testing.T) {
	m := goGuest(t, Limits{})
	s := newFake(t)
	for _, export := range []string{abi.ExportCreate, abi.ExportCreateReadWrite} {
		code, err := m.Run(context.Background(), export, s)
		if err != nil || code != 0 {
			t.Fatalf("%s: %d %v %q", export, code, err, s.lines)
		}
		if s.open != 0 {
			t.Errorf("%s left %d files open", export, s.open)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(s.dirs[0], "kept")); string(b) != "first" {
		t.Errorf("kept: %q", b)
	}
	if n := len(m.(*module).pool.idle); n != 1 {
		t.Errorf("%d idle instances", n)
	}
}

func TestOpenFilesAreLimited(t *testing.T) {
	m := goGuest(t, Limits{OpenFiles: 10})
	s := newFake(t)
	if code, err := m.Run(context.Background(), abi.ExportGet, s); err != nil || code != 0 {
		t.Fatalf("%d %v", code, err)
	}
	rec, _, _, _ := abi.Next(s.saw[len(s.saw)-1])
	f, _ := abi.ParseField(rec)
	if s, _ := f.Spec(); s.Paths[0] != "10" {
		t.Errorf("%s files could be opened", s.Paths)
	}
	if _, err := m.Run(context.Background(), abi.ExportGet, newFake(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(m.(*module).pool.idle); n != 0 {
		t.Errorf("an instance that leaks numbers was kept")
	}
}

func TestGoPanicsFailTheCall(t *testing.T) {
	m := goGuest(t, Limits{})
	s := newFake(t)
	_, err := m.Run(context.Background(), abi.ExportPut, s)
	var f *Failure
	if !errors.As(err, &f) || !strings.Contains(f.Detail, "panic: boom") {
		t.Errorf("%v", err)
	}
	if all := strings.Join(s.lines, "\n"); !strings.Contains(all, "goroutine ") {
		t.Errorf("the log lacks the stack: %q", all)
	}
}

func TestMemoryGrabbersStop(t *testing.T) {
	m := goGuest(t, Limits{MemoryPages: 256})
	_, err := m.Run(context.Background(), abi.ExportRemove, newFake(t))
	var f *Failure
	if !errors.As(err, &f) || f.Cause != CauseMemory {
		t.Errorf("%v", err)
	}
}

func TestSleepEndsWithTheContext(t *testing.T) {
	m := goGuest(t, Limits{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := m.Run(ctx, abi.ExportExists, newFake(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestOutputBecomesLogLines(t *testing.T) {
	m := goGuest(t, Limits{})
	s := newFake(t)
	if code, err := m.Run(context.Background(), abi.ExportGetMetadata, s); err != nil || code != 0 {
		t.Fatalf("%d %v", code, err)
	}
	x := strings.Repeat("x", 5000)
	want := []string{"one", x[:maxLine], "two", x[maxLine:]}
	if strings.Join(s.lines, "|") != strings.Join(want, "|") {
		t.Errorf("%.60q", s.lines)
	}
	if got := s.pairs(t)["small"]; got != "content" {
		t.Errorf("small file holds %q", got)
	}
}
