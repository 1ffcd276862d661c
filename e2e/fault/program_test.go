//go:build fault

package fault

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is bin/bulkhead with its root on a disk.
type program struct {
	t      testing.TB
	disk   *disk
	driver string
	run    string // its run-dir, and what is mounted, which no crash keeps
}

func (p *program) root() string { return filepath.Join(p.disk.dir, "root") }

func binary(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/bulkhead")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v (make build)", err)
	}
	return path
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary(p.t), append([]string{"--root", p.root(), "--driver", p.driver}, args...)...)
	cmd.Env = append(os.Environ(), "BULKHEAD_RUN_DIR="+p.run)
	return cmd
}

// do runs a command that nothing disturbs.
func (p *program) do(args ...string) outcome {
	p.t.Helper()
	cmd := p.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%v: %v", cmd.Args, err)
	}
	return outcome{stdout: out.String(), stderr: errs.String(), code: cmd.ProcessState.ExitCode()}
}

// ok runs a command that must succeed and returns what it printed.
func (p *program) ok(args ...string) string {
	p.t.Helper()
	r := p.do(args...)
	if r.code != 0 {
		p.t.Fatalf("bulkhead %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}
