package child

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/process"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// driver is a module that has what every driver has and does nothing.
func driver() []byte {
	m := assemble.New()
	for _, method := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		m.Method(method.Export(), assemble.Const(0))
	}
	return m.Bytes()
}

func children(t *testing.T) *process.Runtime {
	t.Helper()
	rt, err := process.New(context.Background(), process.Config{})
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

func aCall(t *testing.T) *calls.Call {
	t.Helper()
	env := &calls.Env{Seals: calls.NewSeals(), Locks: layerlock.New(), Limits: calls.Limits{}.Fill()}
	c := calls.New(context.Background(), env, calls.Params{Method: abi.MethodExists})
	t.Cleanup(func() { _, _ = c.Finish(0, nil) }) // how it went is not the question
	return c
}

// in has a child try something at a stage, and returns how its call ended.
func in(t *testing.T, rt *process.Runtime, stage, what string) error {
	t.Helper()
	ctx := context.Background()
	m, err := rt.Compile(ctx, stage+": "+what, driver(), engine.Limits{}, engine.Options{})
	if err != nil {
		return err
	}
	defer m.Close(ctx)
	_, err = m.Run(ctx, abi.ExportExists, aCall(t))
	return err
}

// freely is what comes of it in a process that is not locked.
func freely(t *testing.T, what string) (worked bool, out string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), freeVariable+"="+what)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	return code == exitTrue || code == exitWorked, fmt.Sprintf("exit %d: %s", code, text)
}

func TestAChildCanDoNothingThatItCouldBefore(t *testing.T) {
	rt := children(t)
	dir, err := os.MkdirTemp("/tmp", "child") // where a child that is nobody could go, and a socket's name fits
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, a := range attempts() {
		if a.name == "memory" && underRace {
			continue // it is not bounded then
		}
		t.Run(a.name, func(t *testing.T) {
			argument := filepath.Join(dir, "file")
			if err := os.WriteFile(argument, nil, 0o666); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(argument)
			switch a.name {
			case "connect":
				argument = listener.Addr().String()
			case "mount", "chroot":
				argument = dir
			}
			what := a.name + " " + argument
			if worked, out := freely(t, what); !worked && !(a.root && os.Geteuid() != 0) {
				t.Errorf("a process that is not locked cannot do this either, so nothing is shown: %s", out)
			}
			stages := []string{afterLoad}
			if a.early {
				stages = append(stages, beforeLoad)
			}
			for _, stage := range stages {
				err := in(t, rt, stage, what)
				var f *engine.Failure
				switch {
				case !errors.As(err, &f):
					t.Errorf("%s: %v", stage, err)
				case f.Cause == engine.CauseForbidden:
				case stage == afterLoad && !a.eperm:
					t.Errorf("%s: it was not ended: %v", stage, f)
				case f.Cause != engine.CauseEnded || !strings.Contains(f.Detail, fmt.Sprint("exit status ", exitRefused)):
					t.Errorf("%s: it was not refused: %v", stage, f)
				}
			}
		})
	}
}

func TestAChildHasOneSocketAndNothingElse(t *testing.T) {
	// What we were started with, or opened carelessly, does not pass on.
	careless, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(careless)
	err = in(t, children(t), beforeLoad, "list")
	if err == nil {
		t.Fatal("nothing was listed")
	}
	// Null thrice, the socket, the directory of its code, and what the runtime
	// has for timers.
	if want := "0 020000; 1 020000; 2 020000; 3 0140000; 4 040000; 5 0; 6 0; "; err.Error() != want {
		t.Errorf("it has %q, not %q", err, want)
	}
}
