package lockdown_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/child"
	"github.com/bulkhead/bulkhead/host/engine/lockdown"
	"github.com/bulkhead/bulkhead/host/engine/process"
	"github.com/bulkhead/bulkhead/host/hostile/assemble"
)

// lackVariable has this program run a module on a kernel without something.
const lackVariable = "BULKHEAD_TEST_LACK"

var absent = map[string]uint32{"landlock": unix.SYS_LANDLOCK_CREATE_RULESET, "seccomp": unix.SYS_SECCOMP}

func TestMain(m *testing.M) {
	child.Main() // if this process is one that a module runs in
	if what := os.Getenv(lackVariable); what != "" {
		if err := without(what); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// without runs a module where a lock is missing, and prints what is said of it.
func without(what string) error {
	if err := lockdown.Lack(absent[what]); err != nil {
		return err
	}
	fmt.Println(process.Missing())
	ctx := context.Background()
	rt, err := process.New(ctx, process.Config{})
	if err != nil {
		return err
	}
	defer rt.Close(ctx)
	m := assemble.New()
	for _, method := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		m.Method(method.Export(), assemble.Const(0))
	}
	mod, err := rt.Compile(ctx, "quiet", m.Bytes(), engine.Limits{}, engine.Options{})
	if err != nil {
		return err
	}
	defer mod.Close(ctx)
	_, err = mod.Run(ctx, abi.ExportExists, struct{ calls.Session }{})
	return err
}

func lacking(t *testing.T, what string) (string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lackVariable+"="+what)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err
}

func TestWithoutLandlockTheOtherLocksHoldAndThatIsSaid(t *testing.T) {
	if out, err := lacking(t, "landlock"); err != nil || !strings.Contains(out, "landlock") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWithoutSeccompNothingIsRunInProcesses(t *testing.T) {
	if out, err := lacking(t, "seccomp"); err == nil || !strings.Contains(out, "isolation: thread") {
		t.Errorf("%v: %s", err, out)
	}
}
