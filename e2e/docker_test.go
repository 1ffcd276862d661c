//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
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

// dockerd starts a daemon of its own and returns how to reach it.
func dockerd(t testing.TB, driver string) (docker func(args ...string) string) {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("dockerd is not installed (make deps)")
	}
	if os.Geteuid() != 0 {
		t.Skip("dockerd needs root")
	}
	dir, err := os.MkdirTemp("", "dockerd") // its sockets' paths must be short
	if err != nil {
		t.Fatal(err)
	}
	host := "unix://" + filepath.Join(dir, "s")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dockerd", "--experimental", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--host", host, "--pidfile", filepath.Join(dir, "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver", driver)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		log.Close()
		syscall.Unmount(filepath.Join(dir, "data"), syscall.MNT_DETACH) // it mounts it over itself
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for i := 0; exec.Command("docker", "--host", host, "info").Run() != nil; i++ {
		if i == 100 {
			b, _ := os.ReadFile(log.Name())
			t.Fatalf("dockerd does not answer:\n%s", b)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return func(args ...string) string {
		t.Helper()
		return tool(t, "docker", append([]string{"--host", host}, args...)...)
	}
}

func TestDockerdLoadsWhatIsSavedAndItsSaveIsLoadedToTheSameID(t *testing.T) {
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
