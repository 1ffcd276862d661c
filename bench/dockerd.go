package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dockerd is a daemon of its own, with images in a root that was given to it.
type dockerd struct {
	dir   string // its sockets lie here, whose paths must be short
	root  string
	cmd   *exec.Cmd
	ended chan error
}

// withDockerd starts a daemon for one use. What it spends is counted by m.
func withDockerd(ctx context.Context, root string, m *meter, use func(*dockerd) error) (err error) {
	dir, err := os.MkdirTemp("/run", "bhb-")
	if err != nil {
		return err
	}
	d := &dockerd{dir: dir, root: root}
	defer func() {
		err = errors.Join(err, d.stop(), unmountBeneath(root), unmountBeneath(dir), os.RemoveAll(dir))
	}()
	if err := d.start(ctx); err != nil {
		return err
	}
	m.others = func() (time.Duration, error) { return cpuOf(d.cmd.Process.Pid) }
	return use(d)
}

func (d *dockerd) host() string { return "unix://" + filepath.Join(d.dir, "s") }

func (d *dockerd) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd = exec.Command("dockerd", "--experimental", "--data-root", d.root, "--exec-root", filepath.Join(d.dir, "e"), "--host", d.host(),
		"--pidfile", filepath.Join(d.dir, "p"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver", "overlay2")
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.cmd.Wait() }()
	for range 300 {
		if _, err = d.docker(ctx, "info"); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	text, rerr := os.ReadFile(log.Name())
	return errors.Join(fmt.Errorf("dockerd does not answer: %w: %s", err, bytes.TrimSpace(text)), rerr)
}

// stop ends the daemon and waits for it.
func (d *dockerd) stop() error {
	if d.ended == nil {
		return nil
	}
	err := d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
		return nil
	case <-time.After(30 * time.Second):
	}
	err = errors.Join(err, d.cmd.Process.Kill())
	<-d.ended
	return errors.Join(err, errors.New("dockerd did not end and was killed"))
}

// docker runs the client and returns what it printed.
func (d *dockerd) docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"--host", d.host()}, args...)...)
	// The builder is dockerd's own; no plugin and no configuration of anyone.
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0", "DOCKER_CONFIG="+d.dir)
	out, err := cmd.Output()
	if err != nil {
		return "", &toolError{"docker " + args[0], said(err), err}
	}
	return strings.TrimSpace(string(out)), nil
}

// cpuOf is the user and system time of a process and of its children that have
// ended.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest) // from the third on, see proc(5)
	if len(fields) < 15 {
		return 0, fmt.Errorf("/proc/%d/stat is not as expected", pid)
	}
	var ticks int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ
}

// unmountBeneath takes away what a program left mounted at or beneath dir.
func unmountBeneath(dir string) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], strings.TrimSuffix(dir, "/")+"/")) {
			points = append(points, f[4])
		}
	}
	for _, p := range slices.Backward(points) {
		if uerr := unix.Unmount(p, unix.MNT_DETACH); uerr != nil {
			err = errors.Join(err, fmt.Errorf("unmount %s: %w", p, uerr))
		}
	}
	return err
}
