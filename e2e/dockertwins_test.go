//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What BuildKit builds again it keeps twice, and the layer store once.
func TestWhatDockerBuiltTwiceIsSound(t *testing.T) {
	t.Parallel()
	client := debianDocker(t)
	d := newDaemon(t, "overlay2")
	d.client = client
	d.env = []string{"DOCKER_CONFIG=" + t.TempDir(), "DOCKER_BUILDKIT=1"}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("file", "file")
	for _, name := range []string{"first", "second"} {
		write(name, name)
		write("Dockerfile", "FROM scratch\nCOPY file /file\nCOPY "+name+" /"+name+"\n")
		d.docker("build", "-q", "--no-cache", "-t", name+":e2e", dir)
	}
	d.stop()
	before := everything(t, d.root())
	p := onDaemonsRoot(d)
	if out := p.ok("check", "--full", "--format", "{{.Kind}} {{.Path}} {{.What}}"); out != "" {
		t.Errorf("check finds damage in what dockerd made:\n%s", out)
	}
	at := p.mount("second:e2e")
	for name, want := range map[string]string{"file": "file", "second": "second"} {
		if b, err := os.ReadFile(filepath.Join(at, name)); string(b) != want {
			t.Errorf("%s says %q: %v", name, b, err)
		}
	}
	p.ok("umount", "second:e2e")
	if after := everything(t, d.root()); !bytes.Equal(before, after) {
		t.Errorf("reading has changed\n%q", differing(before, after))
	}
}
