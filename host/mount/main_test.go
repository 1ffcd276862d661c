package mount

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inNamespace is set in a process that has a mount namespace of its own.
const inNamespace = "BULKHEAD_TEST_MOUNT_NAMESPACE"

// TestMain runs all tests in a private mount namespace, so that nothing they
// mount is left behind, and as an unprivileged user in a user namespace too.
// A fuzzing run keeps its own process: it talks with its workers.
func TestMain(m *testing.M) {
	fuzzing := false
	for _, a := range os.Args {
		fuzzing = fuzzing || strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker")
	}
	if os.Getenv(inNamespace) != "" || fuzzing {
		os.Exit(m.Run())
	}
	cmd := again(os.Args[1:], os.Geteuid() != 0)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintf(os.Stderr, "no namespaces here, so tests that mount are skipped: %v\n", err)
		os.Exit(m.Run())
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// again is this program in a mount namespace of its own.
func again(args []string, userns bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inNamespace+"=mnt")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if userns {
		cmd.Env = append(cmd.Env, inNamespace+"=user")
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

func mayMount(t testing.TB) {
	t.Helper()
	if os.Getenv(inNamespace) == "" {
		t.Skip("no mount namespace to mount in")
	}
}

// inUserNamespace reports whether overlay must keep its marks in user.*.
func inUserNamespace() bool { return os.Getenv(inNamespace) == "user" }

func TestEverythingHoldsInAUserNamespace(t *testing.T) {
	mayMount(t)
	if inUserNamespace() {
		t.Skip("it is one")
	}
	args := []string{"-test.skip=^TestEverythingHoldsInAUserNamespace$"}
	for _, a := range os.Args[1:] {
		// Profiles are this process's to write.
		if strings.HasPrefix(a, "-test.v") || strings.HasPrefix(a, "-test.count") || strings.HasPrefix(a, "-test.short") {
			args = append(args, a)
		}
	}
	cmd := again(args, true)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState == nil {
			t.Skipf("no user namespaces here: %v", err)
		}
		t.Errorf("%v\n%s", err, out.String())
	}
	if testing.Verbose() {
		t.Log(out.String())
	}
}
