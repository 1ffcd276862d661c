//go:build e2e

package archive_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// dockerd is a real one, on a root of its own.
type dockerd struct {
	t    *testing.T
	root string
	host string
	cmd  *exec.Cmd
}

func startDockerd(t *testing.T) *dockerd {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Geteuid() != 0 {
		t.Skip("dockerd is not installed, or this is not root")
	}
	dir, err := os.MkdirTemp("", "dockerd") // its sockets' paths must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Unmount(filepath.Join(dir, "root"), syscall.MNT_DETACH) // it mounts it over itself
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d := &dockerd{t: t, root: filepath.Join(dir, "root"), host: "unix://" + filepath.Join(dir, "sock")}
	d.cmd = exec.Command("dockerd", "--data-root", d.root, "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--host", d.host,
		"--bridge=none", "--iptables=false", "--storage-driver=vfs")
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	for range 100 {
		if exec.Command("docker", "--host", d.host, "version").Run() == nil {
			return d
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatal("dockerd does not answer")
	return nil
}

func (d *dockerd) stop() {
	if d.cmd.ProcessState == nil {
		d.cmd.Process.Signal(syscall.SIGTERM)
		d.cmd.Wait()
	}
}

func (d *dockerd) docker(args ...string) string {
	d.t.Helper()
	out, err := exec.Command("docker", append([]string{"--host", d.host}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("docker %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestDockerdAndBulkheadReadEachOther(t *testing.T) {
	d := startDockerd(t)
	s := newSample(t, "one", "two", "one")
	st := loaded(t, s, "app:1", "example.com/app:2")
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours.tar"), filepath.Join(dir, "theirs.tar")
	if err := archive.Save(context.Background(), st, []string{"app:1", "example.com/app:2"}, ours, archive.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := d.docker("load", "-i", ours); !strings.Contains(out, "Loaded image: app:1") {
		t.Errorf("docker load: %s", out)
	}
	if id := d.docker("image", "inspect", "-f", "{{.Id}}", "example.com/app:2"); id != s.id().String() {
		t.Errorf("dockerd made image %s of %s", id, s.id())
	}
	d.docker("save", "-o", theirs, "app:1")
	root := t.TempDir()
	if _, err := load(t, stores(t, root), theirs); err != nil {
		t.Fatal(err)
	}
	wantImage(t, root, s, "app:1")

	d.stop()
	ctx := context.Background()
	layers, err := layer.Open(ctx, layer.Options{Root: d.root, DriverName: "vfs", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	images, err := image.Open(ctx, image.Options{Root: d.root, DriverName: "vfs", Layers: layers, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	list, err := images.List(ctx, image.ListOptions{})
	if err != nil || len(list) != 1 || list[0].ID != s.id() || list[0].Size != 9 || len(list[0].RepoTags) != 2 {
		t.Errorf("dockerd's root lists as %+v (%v)", list, err)
	}
}
