//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
)

func TestDockerdGoesOnWithAnotherDriverAfterConvert(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "overlay2")
	d.docker("load", "-i", debianSlimForDocker(t))
	d.docker("tag", debianSlimID, "slim:e2e")
	d.docker("run", "--name", "c1", "--network", "none", "slim:e2e", "sh", "-c", "echo made > /made; rm -r /etc/apt")
	d.docker("commit", "c1", "committed:e2e")
	slim, committed := layerDigests(t, d, "slim:e2e"), layerDigests(t, d, "committed:e2e")
	d.stop()

	p := onDaemonsRoot(d)
	p.fails(1, []string{"container", "commit it first"}, "convert", "--from", "overlay2", "--to", "vfs")
	d.start()
	d.docker("rm", "c1")
	if out := strings.TrimSpace(d.docker("images", "--format", "{{.Repository}}:{{.Tag}}")); len(strings.Fields(out)) != 2 {
		t.Errorf("dockerd has %s left", out)
	}
	d.stop()
	p.ok("convert", "--from", "overlay2", "--to", "vfs")

	d.driver, p.driver = "vfs", "vfs"
	p.ok("check", "--full")
	d.start()
	if got := layerDigests(t, d, "slim:e2e"); !slices.Equal(got, slim) {
		t.Errorf("dockerd saves\n%q\nand saved\n%q", got, slim)
	}
	if got := layerDigests(t, d, "committed:e2e"); !slices.Equal(got, committed) {
		t.Errorf("dockerd saves\n%q\nand saved\n%q", got, committed)
	}
	if got := d.docker("run", "--rm", "--network", "none", "committed:e2e", "sh", "-c", "cat /made; ls -d /etc/apt || true"); got != "made\n" {
		t.Errorf("a container says %q", got)
	}
}
