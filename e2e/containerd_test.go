//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newContainerd starts a containerd and returns its root, a client, and what
// stops it.
func newContainerd(t testing.TB) (root string, ctr func(args ...string) string, stop func()) {
	t.Helper()
	if _, err := exec.LookPath("containerd"); err != nil {
		t.Skip("containerd is not installed (make deps)")
	}
	if os.Geteuid() != 0 {
		t.Skip("containerd needs root")
	}
	dir, err := os.MkdirTemp("", "containerd")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), filepath.Join(dir, "s"))
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("containerd", "--config", filepath.Join(dir, "config.toml"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait() // how it ends is not the question
		}
	}
	t.Cleanup(func() {
		stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	client := func(args ...string) result {
		return finish(t, exec.Command("ctr", append([]string{"--address", filepath.Join(dir, "s")}, args...)...))
	}
	for deadline := time.Now().Add(time.Minute); client("version").code != 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("containerd does not start:\n%s", said)
		}
	}
	return filepath.Join(dir, "root"), func(args ...string) string {
		t.Helper()
		r := client(args...)
		if r.code != 0 {
			t.Fatalf("ctr %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
		return r.stdout
	}, stop
}

func TestTheImagesOfAContainerdComeOver(t *testing.T) {
	t.Parallel()
	source := debianSlim(t)
	root, ctr, stop := newContainerd(t)
	ctr("--namespace", "moby", "image", "import", source)
	name := strings.Fields(ctr("--namespace", "moby", "image", "ls", "-q"))[0]
	ctr("--namespace", "moby", "image", "tag", name, "docker.io/library/slim:e2e")
	before := contents(t, root)

	p := newProgramOn(t, "overlay2")
	p.ok("convert", "--to", "overlay2", "--from-containerd", root) // while it runs
	if out := p.ok("image", "ls", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"); !strings.Contains(out, debianSlimID+" slim:e2e\n") {
		t.Errorf("got %s", out)
	}
	p.ok("check", "--full")
	straight := newProgramOn(t, "overlay2")
	straight.ok("image", "load", "-i", source)
	if got, want := p.chains(), straight.chains(); len(want) == 0 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("layers %v, and when loaded %v", got, want)
	}
	if after := contents(t, root); !slices.Equal(after, before) {
		t.Error("something was written beneath containerd's root")
	}
	stop()
	if out := p.ok("convert", "--to", "overlay2", "--from-containerd", root); !strings.HasPrefix(out, "0 images converted") {
		t.Errorf("again: %s", out)
	}
}

// contents is what lies beneath a directory but for what containerd itself
// writes at any time.
func contents(t testing.TB, root string) (all []string) {
	t.Helper()
	out := tool(t, "find", root, "-type", "f", "-not", "-name", "*.db", "-printf", "%P %s %T@ %m\n")
	all = strings.Split(out, "\n")
	slices.Sort(all)
	return all
}
