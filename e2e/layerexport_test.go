//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExportOfAContainersLayerIsWhatDockerExports(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run(driver, func(t *testing.T) {
			d := newDaemon(t, driver)
			d.docker("load", "-q", "-i", debianSlimForDocker(t))
			d.docker("run", "--name", "c1", "--network", "none", debianSlimID, "sh", "-c",
				"echo made > /made; rm -r /etc/apt; ln /made /also; mkdir -p /usr/share/new; echo changed >> /etc/issue; chmod 600 /etc/passwd")
			id := strings.TrimSpace(d.docker("inspect", "--format", "{{.Id}}", "c1"))
			theirs, out := filepath.Join(t.TempDir(), "theirs.tar"), filepath.Join(t.TempDir(), "out.tar")
			d.docker("export", "-o", theirs, "c1")
			d.stop()
			p := onDaemonsRoot(d)
			p.ok("layer", "export", "-o", out, id)
			if p.ok("layer", "export", "--verify", "full", id) != string(read(t, out)) {
				t.Error("another tar to standard output")
			}
			ours, want := listed(t, out), listed(t, theirs)
			if len(ours) < 5000 || ours["made"] == "" || ours["etc/apt"] != "" {
				t.Fatalf("%d entries were exported", len(ours))
			}
			for name, line := range ours {
				if want[name] != line && !dockersOwn(name) {
					t.Errorf("%s: %q, docker has %q", name, line, want[name])
				}
			}
			for name := range want {
				if _, ok := ours[name]; !ok && !dockersOwn(name) {
					t.Errorf("%s: missing", name)
				}
			}
			// A layer's is the tree of its image.
			if p.ok("layer", "export", p.topLayer()) != p.ok("image", "export", debianSlimID) {
				t.Error("the export of a layer is not that of its image")
			}
			p.fails(1, []string{"nonsense"}, "layer", "export", "nonsense")
		})
	}
}
