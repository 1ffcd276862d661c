package mount

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inNamespace is set in a process that has a mount namespace of its own.
const inNamespace = "BULKHEAD_TEST_MOUNT_NAMESPACE"

// noProc is how a process ends that may not mount a /proc of its own.
const noProc = 86

// TestMain runs all tests in private namespaces of mounts and processes, so
// that nothing they mount is left behind and all processes can be seen; for an
// unprivileged user in a user namespace too. A fuzzing run keeps its own
// process: it talks with its workers.
func TestMain(m *testing.M) {
	fuzzing := false
	for _, a := range os.Args {
		fuzzing = fuzzing || strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker")
	}
	if os.Getenv(inNamespace) != "" && os.Getpid() == 1 {
		if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			os.Exit(noProc)
		}
	}
	if os.Getenv(inNamespace) != "" || fuzzing {
		os.Exit(m.Run())
	}
	code, err := runAgain(os.Args[1:], os.Geteuid() != 0, os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "no namespaces here, so tests that mount are skipped: %v\n", err)
		code = m.Run()
	}
	os.Exit(code)
}

// runAgain runs this program in namespaces of its own. An error says that
// there are none to be had.
func runAgain(args []string, userns bool, out io.Writer) (code int, err error) {
	for _, flags := range []uintptr{syscall.CLONE_NEWPID, 0} {
		cmd := exec.Command("/proc/self/exe", args...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.Env = append(os.Environ(), inNamespace+"=mnt")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if userns {
			cmd.Env = append(cmd.Env, inNamespace+"=user")
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		if err = cmd.Run(); cmd.ProcessState == nil {
			continue
		}
		if code = cmd.ProcessState.ExitCode(); code < 0 {
			fmt.Fprintln(out, err)
			code = 2
		}
		if code != noProc {
			return code, nil
		}
	}
	return code, err
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
		return // it is what the test starts
	}
	args := []string{"-test.skip=^TestEverythingHoldsInAUserNamespace$"}
	for _, a := range os.Args[1:] {
		// Profiles are this process's to write.
		if strings.HasPrefix(a, "-test.v") || strings.HasPrefix(a, "-test.count") || strings.HasPrefix(a, "-test.short") {
			args = append(args, a)
		}
	}
	var out strings.Builder
	code, err := runAgain(args, true, &out)
	if err != nil {
		t.Skipf("no user namespaces here: %v", err)
	}
	if code != 0 {
		t.Errorf("exit %d\n%s", code, out.String())
	} else if testing.Verbose() {
		t.Log(out.String())
	}
}
