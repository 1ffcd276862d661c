//go:build fault

package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	other  string // a driver that the root has, or comes to have, besides; or ""
	env    []string
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
	cmd.Env = append(append(os.Environ(), "BULKHEAD_RUN_DIR="+p.run), p.env...)
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

// as is the program with another driver asked for.
func (p *program) as(driver string) *program {
	return &program{t: p.t, disk: p.disk, driver: driver, env: p.env, run: p.run}
}

// hasOther tells whether the other driver has images now.
func (p *program) hasOther() bool {
	_, err := os.Stat(filepath.Join(p.root(), "image", p.other))
	return p.other != "" && err == nil
}

// finding is one of check's.
type finding struct{ Kind, Path, What string }

// check reads all that there is, of both drivers. broken is what it says when
// it could not.
func (p *program) check(flags ...string) (findings []finding, broken string) {
	p.t.Helper()
	r := p.do(append(flags, "check", "--full", "--format", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), &findings); r.code != 0 && (err != nil || len(findings) == 0) {
		broken = fmt.Sprintf("exit %d: %s", r.code, r.stderr)
	}
	if p.hasOther() {
		more, says := p.as(p.other).check(flags...)
		findings, broken = append(findings, more...), broken+says
	}
	return findings, broken
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
