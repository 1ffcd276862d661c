//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/archive/hostile"
)

// mostMemory is what loading any archive may take, in bytes.
const mostMemory = 200_000_000

// hostileLimits are those of the tests: archives come up to them sooner than
// to the defaults.
var hostileLimits = []string{"BULKHEAD_LIMITS_LAYER=800MiB", "BULKHEAD_LIMITS_LOAD=1536MiB", "BULKHEAD_LIMITS_SPOOL=1GiB"}

// hostileCase and hostilePath make this binary write an archive and end.
const hostileCase, hostilePath = "BULKHEAD_HOSTILE_CASE", "BULKHEAD_HOSTILE_PATH"

// measureTo makes this binary run its arguments and write down how much memory
// they took.
const measureTo = "BULKHEAD_MEASURE_TO"

func TestMain(m *testing.M) {
	if to := os.Getenv(measureTo); to != "" {
		os.Exit(measure(to, os.Args[1:]))
	}
	name := os.Getenv(hostileCase)
	if name == "" {
		os.Exit(m.Run())
	}
	path := os.Getenv(hostilePath)
	for _, c := range hostile.Cases() {
		if c.Name != name {
			continue
		}
		f, err := os.Create(path)
		if err == nil {
			err = errors.Join(c.Write(f, filepath.Dir(path)), f.Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// What takes memory is the host's reading, whatever the driver: they take turns.
func TestNoArchiveTakesMuchMemoryOrLeavesAnything(t *testing.T) {
	t.Parallel()
	driver, next := "vfs", "overlay2"
	for _, c := range hostile.Cases() {
		if !c.Heavy {
			continue
		}
		driver, next = next, driver
		t.Run(c.Name+"/"+driver, func(t *testing.T) {
			t.Parallel()
			p := newProgramOn(t, driver)
			giveUpQuickly(t, p.root)
			loadHostile(t, p, c, writeHostile(t, c))
		})
	}
}

// The verdicts as a person meets them: an exit code, and one line.
func TestEveryRefusalIsOneLineAndExitCodeOne(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "archive")
	for _, c := range hostile.Cases() {
		if c.Heavy {
			continue
		}
		f, err := os.Create(path)
		if err == nil {
			err = errors.Join(c.Write(f, filepath.Join(dir, "outside")), f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		r := p.run("image", "load", "-q", "-i", path)
		if c.Verdict == hostile.Stored {
			if r.code != 0 || r.stderr != "" {
				t.Errorf("%s: exit code %d: %s", c.Name, r.code, r.stderr)
			}
			// A layer that is there is not read again: the next one may have it too.
			p.ok(append([]string{"image", "rm", "-f"}, strings.Fields(p.ok("image", "ls", "-aq"))...)...)
			continue
		}
		if r.code != 1 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, c.Says) {
			t.Errorf("%s: exit code %d, and it says %.2000q", c.Name, r.code, r.stdout+r.stderr)
		}
	}
	p.nothingLeft()
	if _, err := os.Lstat(filepath.Join(dir, "outside")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("outside: %v", err)
	}
}

// A pipe that says nothing, or never ends, is not waited for against one's
// will, and what came of it is gone.
func TestLoadFromAPipeCanBeEnded(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"nothing": "", "the beginning of a gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00", "zeros": strings.Repeat("\x00", 5<<20)} {
		p := newProgram(t)
		temp := t.TempDir()
		p.env = append(p.env, "BULKHEAD_TEMP_DIR="+temp)
		cmd := p.command("image", "load", "-q")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(in, first); err != nil {
			t.Fatal(err)
		}
		waitForFileIn(t, temp, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(errs.String(), "interrupted") {
			t.Errorf("%s: %v: %s", name, err, errs.String())
		}
		if left, _ := os.ReadDir(temp); len(left) != 0 {
			t.Errorf("%s: left %v", name, left)
		}
		p.nothingLeft()
	}
}

// waitForFileIn returns when a process has a file without a name in dir: it
// reads its pipe then.
func waitForFileIn(t *testing.T, dir string, pid int) {
	t.Helper()
	for {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range open {
			to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
			if strings.HasPrefix(to, dir+"/") {
				return
			}
		}
	}
}

// writeHostile writes a case's archive, in a process of its own.
func writeHostile(t *testing.T, c hostile.Case) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "archive")
	write := exec.Command(os.Args[0])
	write.Env = append(os.Environ(), hostileCase+"="+c.Name, hostilePath+"="+path)
	if r := finish(t, write); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return path
}

// giveUpQuickly makes a directory that is in memory a file system of its own: to
// give that up is quicker than to remove a million files.
func giveUpQuickly(t *testing.T, dir string) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.TMPFS_MAGIC || os.Geteuid() != 0 {
		return
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=100%,nr_inodes=0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

func loadHostile(t *testing.T, p *program, c hostile.Case, path string) {
	temp := t.TempDir()
	p.env = append(append(p.env, hostileLimits...), "BULKHEAD_TEMP_DIR="+temp)
	began := time.Now()
	r, most := measured(t, p.command("image", "load", "-q", "-i", path))
	t.Logf("%d MB, %.1f s: %s", most/1e6, time.Since(began).Seconds(), strings.TrimSpace(r.stdout[:min(len(r.stdout), 200)]+r.stderr))
	if most > mostMemory {
		t.Errorf("it took %d bytes of memory", most)
	}
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("in the directory for temporary files: %v", left)
	}
	p.nothingLeft()
	if c.On(p.driver) == hostile.Stored {
		if r.code != 0 {
			t.Errorf("refused, with exit code %d", r.code)
		}
		return
	}
	if r.code != 1 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, c.Says) || len(r.stderr) > 1200 {
		t.Errorf("exit code %d, and it says %.2000q", r.code, r.stderr)
	}
	if images := p.ok("image", "ls", "-aq"); images != "" {
		t.Errorf("images are there: %s", images)
	}
}

// measured runs a command and tells its peak of memory. What a process is said
// to have taken is at least what the one had that started it; so a small one
// does.
func measured(t *testing.T, cmd *exec.Cmd) (result, int64) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "peak")
	cmd.Args = append([]string{os.Args[0]}, cmd.Args...)
	cmd.Path = os.Args[0]
	cmd.Env = append(cmd.Env, measureTo+"="+to)
	r := finish(t, cmd)
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	most, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return r, most
}

func measure(to string, args []string) (code int) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	if err := os.WriteFile(to, strconv.AppendInt(nil, peak, 10), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	return cmd.ProcessState.ExitCode()
}
