//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// used is a dockerd that has been worked with: images loaded and built in both
// ways, containers made, ended and running, one of them committed.
func used(t *testing.T, driver string) *daemon {
	t.Helper()
	client := debianDocker(t)
	d := newDaemon(t, driver)
	d.client = client
	d.env = []string{"DOCKER_CONFIG=" + t.TempDir()}
	d.docker("load", "-i", debianSlimForDocker(t))
	d.docker("tag", debianSlimID, "slim:e2e")
	for name, buildkit := range map[string]string{"classic": "0", "buildkit": "1"} {
		d.env = append(d.env, "DOCKER_BUILDKIT="+buildkit)
		dir := t.TempDir()
		text := "FROM slim:e2e\nRUN echo " + name + " > /built && rm -r /etc/apt\nCOPY Dockerfile /from/here\nENV BY=" + name + "\n"
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		d.docker("build", "-q", "--network", "none", "-t", name+":e2e", dir)
	}
	d.docker("create", "--name", "created", "slim:e2e")
	d.docker("run", "--name", "exited", "--network", "none", "slim:e2e", "sh", "-c", "echo x > /x; rm /etc/debian_version; chmod 700 /opt")
	d.docker("run", "--name", "running", "-d", "--network", "none", "slim:e2e", "sleep", "600")
	d.docker("commit", "exited", "committed:e2e")
	return d
}

func TestAStoppedDockersRootIsReadAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			d := used(t, driver)
			id := func(name string) string {
				return strings.TrimSpace(d.docker("inspect", "--format", "{{.Id}}", name))
			}
			created, exited := id("created"), id("exited")
			listing := []string{"ls", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}"}
			images := lineSet(d.docker(append([]string{"image"}, listing...)...))
			steps := []string{"history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}}", "buildkit:e2e"}
			history := d.docker(steps...)
			changes := lineSet(d.docker("diff", "exited"))
			d.docker("kill", "running")
			d.stop()

			before := everything(t, d.root())
			p := onDaemonsRoot(d)
			if got := lineSet(p.ok(append([]string{"image"}, listing...)...)); !slices.Equal(got, images) {
				t.Errorf("image ls\n%s\nwhere docker has\n%s", strings.Join(got, "\n"), strings.Join(images, "\n"))
			}
			if got := p.ok(append([]string{"image"}, steps...)...); got != history {
				t.Errorf("image history\n%s\nwhere docker has\n%s", got, history)
			}
			p.ok("image", "inspect", "slim:e2e", "classic:e2e", "committed:e2e")
			p.ok("image", "verify")
			if out := p.ok("check", "--full", "--format", "{{.Kind}} {{.Path}} {{.What}}"); out != "" {
				t.Errorf("check finds damage in what dockerd made:\n%s", out)
			}
			p.ok("image", "save", "-o", filepath.Join(t.TempDir(), "o.tar"), "slim:e2e", "classic:e2e", "buildkit:e2e", "committed:e2e")
			p.ok("layer", "ls")
			names := strings.Fields(p.ok("layer", "ls", "--rw", "--no-trunc", "--format", "{{.Name}}"))
			if len(names) != 3 || !slices.Contains(names, created) || !slices.Contains(names, exited) {
				t.Errorf("containers %v", names)
			}
			size := map[string]string{"overlay2": "2B", "vfs": "8B"}[driver] // with that file
			if got := p.ok("layer", "ls", "--rw", "--no-trunc", "--format", "{{.Name}} {{.Image}} {{.Size}}"); !strings.Contains(got, exited+" "+debianSlimID+" "+size+"\n") {
				t.Errorf("the container that ended is not listed as it is:\n%s", got)
			}
			if driver == "vfs" { // which compares trees: here the other name of a file is told of, in docker it is not
				changes = append(changes, "C /etc/dv2")
				slices.Sort(changes)
			}
			if got := lineSet(p.ok("layer", "changes", exited)); !slices.Equal(got, changes) {
				t.Errorf("layer changes\n%s\nwhere docker diff has\n%s", strings.Join(got, "\n"), strings.Join(changes, "\n"))
			}
			if tar := p.ok("layer", "diff", exited); !strings.Contains(tar, ".wh.debian_version") {
				t.Error("layer diff has no whiteout of what was removed")
			}
			chain := strings.TrimSpace(p.ok("layer", "ls", "-q", "--no-trunc"))
			for _, image := range []string{"slim:e2e", "classic:e2e", "buildkit:e2e", "committed:e2e", chain[:strings.Index(chain, "\n")]} {
				at := p.mount(image)
				if _, err := os.Stat(filepath.Join(at, "usr/bin/env")); err != nil {
					t.Errorf("%s: %v", image, err)
				}
				if tool(t, "find", at, "-newermt", "2100-01-01") != "" {
					t.Error("files of the next century")
				}
			}
			at := p.mount("--read-only", exited)
			if b, err := os.ReadFile(filepath.Join(at, "x")); string(b) != "x\n" {
				t.Errorf("the container's file says %q: %v", b, err)
			}
			if err := os.WriteFile(filepath.Join(at, "y"), nil, 0o600); err == nil {
				t.Error("the container's files can be written to")
			}
			for _, line := range strings.Split(strings.TrimSpace(p.ok("mount", "--format", "{{.Target}}")), "\n") {
				p.ok("umount", line)
			}
			if after := everything(t, d.root()); !bytes.Equal(before, after) {
				t.Errorf("reading has changed\n%s", strings.Join(differing(before, after), "\n"))
			}
			if driver == "overlay2" { // and dockerd goes on
				d.start()
				d.docker("start", "created")
			}
		})
	}
}

// differing are the lines of two lists that are in one of them.
func differing(a, b []byte) []string {
	la, lb := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	var out []string
	for _, l := range la {
		if !slices.Contains(lb, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range lb {
		if !slices.Contains(la, l) {
			out = append(out, "+ "+l)
		}
	}
	return out[:min(len(out), 40)]
}

func TestNothingIsWrittenWhileDockerdRuns(t *testing.T) {
	t.Parallel()
	archive := debianSlimForDocker(t)
	d := newDaemon(t, "overlay2")
	d.docker("load", "-i", archive)
	d.docker("tag", debianSlimID, "slim:e2e")
	p := onDaemonsRoot(d)
	before := everything(t, filepath.Join(d.root(), "image"))
	for _, args := range [][]string{
		{"image", "load", "-i", archive}, {"image", "tag", "slim:e2e", "other:e2e"}, {"image", "rm", "slim:e2e"}, {"image", "rm", "-f", debianSlimID},
		{"layer", "create", "--parent", "slim:e2e", "work"}, {"layer", "rm", "work"}, {"layer", "commit", "work"}, {"image", "squash", "slim:e2e"},
	} {
		p.fails(1, []string{"dockerd is running on this root; stop it first"}, args...)
	}
	if after := everything(t, filepath.Join(d.root(), "image")); !bytes.Equal(before, after) {
		t.Errorf("refusals have changed\n%s", strings.Join(differing(before, after), "\n"))
	}
	p.ok("image", "verify")
	p.ok("image", "ls")
	p.ok("image", "save", "-o", filepath.Join(t.TempDir(), "o.tar"), "slim:e2e")
	at := p.mount("slim:e2e")
	if _, err := os.Stat(filepath.Join(at, "etc/passwd")); err != nil {
		t.Error(err)
	}
	p.ok("umount", "slim:e2e")
	if got := strings.TrimSpace(d.docker("run", "--rm", "--network", "none", "slim:e2e", "echo", "runs")); got != "runs" {
		t.Errorf("a container of it says %q", got)
	}
}
