//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// archive is a tar with one file.
func archive(t testing.TB, name, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// daemon is a dockerd with a root of its own.
type daemon struct {
	t      testing.TB
	dir    string // its sockets lie here, whose paths must be short
	driver string
	client string // the docker that is used
	env    []string
	cmd    *exec.Cmd
	ended  chan error
}

// dockerd starts a daemon of its own and returns how to reach it.
func dockerd(t testing.TB, driver string) (docker func(args ...string) string) {
	t.Helper()
	return newDaemon(t, driver).docker
}

func newDaemon(t testing.TB, driver string) *daemon {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("dockerd is not installed (make deps)")
	}
	if os.Geteuid() != 0 {
		t.Skip("dockerd needs root")
	}
	dir, err := os.MkdirTemp("", "dockerd")
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, dir: dir, driver: driver, client: "docker"}
	t.Cleanup(func() {
		d.stop()
		syscall.Unmount(d.root(), syscall.MNT_DETACH) // it mounts it over itself
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.start()
	return d
}

func (d *daemon) root() string { return filepath.Join(d.dir, "data") }
func (d *daemon) host() string { return "unix://" + filepath.Join(d.dir, "s") }

func (d *daemon) start() {
	d.t.Helper()
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command("dockerd", "--experimental", "--data-root", d.root(), "--exec-root", filepath.Join(d.dir, "exec"),
		"--host", d.host(), "--pidfile", filepath.Join(d.dir, "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver", d.driver)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.ended = make(chan error, 1)
	go func() { d.ended <- d.cmd.Wait() }()
	// Who asks once it listens is answered when it is ready.
	for end := time.Now().Add(time.Minute); d.dial() != nil || exec.Command(d.client, "--host", d.host(), "info").Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			d.t.Fatalf("dockerd does not answer:\n%s", b)
		}
	}
}

// dial reports whether anybody listens.
func (d *daemon) dial() error {
	c, err := net.Dial("unix", filepath.Join(d.dir, "s"))
	if err != nil {
		return err
	}
	return c.Close()
}

// stop ends the daemon, if it runs.
func (d *daemon) stop() {
	if d.ended == nil {
		return
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.cmd.Process.Kill()
		<-d.ended
	}
	d.ended = nil
}

// command is one of docker's.
func (d *daemon) command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.client, append([]string{"--host", d.host()}, args...)...)
	cmd.Env = append(os.Environ(), d.env...)
	return cmd
}

// docker runs a command that must succeed and returns what it printed.
func (d *daemon) docker(args ...string) string {
	d.t.Helper()
	r := finish(d.t, d.command(args...))
	if r.code != 0 {
		d.t.Fatalf("docker %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func TestDockerdLoadsWhatIsSavedAndItsSaveIsLoadedToTheSameID(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	image := debianSlim(t)
	p.ok("image", "load", "-i", image)
	p.ok("image", "tag", debianSlimID, "slim:e2e")
	out := filepath.Join(t.TempDir(), "o.tar")
	p.ok("image", "save", "--format", "docker-archive", "-o", out, "slim:e2e")
	docker := dockerd(t, "vfs")
	docker("load", "-i", out)
	if ids := strings.Fields(docker("images", "-q", "--no-trunc")); len(ids) != 1 || ids[0] != debianSlimID {
		t.Fatalf("dockerd has %v", ids)
	}
	back := filepath.Join(t.TempDir(), "back.tar")
	docker("save", "-o", back, "slim:e2e")
	other := newProgram(t)
	other.ok("image", "load", "-i", back)
	if ids := strings.Fields(other.ok("image", "ls", "-q", "--no-trunc")); len(ids) != 1 || ids[0] != debianSlimID {
		t.Fatalf("docker save was loaded as %v", ids)
	}
	other.ok("image", "verify", debianSlimID)
	other.nothingLeft()
	if got := other.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"); strings.TrimSpace(got) != "slim:e2e" {
		t.Errorf("named %q", got)
	}
}
