//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// inspected is what docker tells of an image that a commit decides.
type inspected struct {
	Comment, Author, Architecture, Os string
	Config                            struct {
		Cmd, Entrypoint, Env, OnBuild, Shell []string
		ExposedPorts, Volumes                map[string]struct{}
		Labels                               map[string]string
		User, WorkingDir, StopSignal         string
		Healthcheck                          map[string]any
	}
}

func (d *daemon) inspect(image string) inspected {
	d.t.Helper()
	var all []inspected
	if err := json.Unmarshal([]byte(d.docker("inspect", image)), &all); err != nil || len(all) != 1 {
		d.t.Fatalf("docker inspect %s: %v", image, err)
	}
	return all[0]
}

func TestAnImageMadeByHandIsThatOfDockerCommit(t *testing.T) {
	t.Parallel()
	changes := [][]string{
		{`CMD ["cat","/x"]`}, {"CMD cat /x"}, {`ENTRYPOINT ["/bin/cat"]`}, {"ENTRYPOINT cat", "CMD /x"}, {"CMD /x", "ENTRYPOINT cat"},
		{`ENV PATH=$PATH:/x B="a b" C=a\ b D='$A' E=${A}x F=${NONE:-none} G=${A:+some}`}, {"ENV NAME a value"}, {"env A=2 Z=$A"}, {"ENV A=2", "ENV Z=$A"},
		{"EXPOSE 80 81-82/udp"}, {`LABEL a=b "c d"=e tier=none`, "LABEL long \\\n goes on"}, {"USER 7:8"}, {"VOLUME /v /w", `VOLUME ["/with space"]`},
		{"WORKDIR /abs"}, {"WORKDIR rel", "WORKDIR again"}, {"ONBUILD RUN x"}, {"HEALTHCHECK --interval=5s --retries=2 CMD true || false", "USER $A"}, {`HEALTHCHECK CMD ["a","b"]`},
		{"HEALTHCHECK NONE"}, {"# a comment\nUSER 9\n\nWORKDIR /w"}, {`LABEL quoted="it's \"so\" \$A"`},
	}
	d := newDaemon(t, "overlay2")
	d.docker("load", "-i", debianSlimForDocker(t))
	d.docker("tag", debianSlimID, "slim:e2e")
	d.docker("create", "--name", "made", "slim:e2e")
	p := newProgram(t)
	p.driver = "overlay2"
	p.ok("image", "load", "-i", debianSlim(t))
	p.ok("layer", "create", "--parent", debianSlimID, "made")
	names := []string{"image", "save", "--format", "docker-archive", "-o", filepath.Join(t.TempDir(), "o.tar")}
	for i, list := range changes {
		name := "ours:" + string(rune('a'+i))
		args := []string{"-m", "a message", "-a", "Some One <one@example.com>"}
		for _, c := range list {
			args = append(args, "-c", c)
		}
		p.ok(append(append([]string{"layer", "commit", "-t", name}, args...), "made")...)
		d.docker(append(append([]string{"commit"}, args...), "made", "theirs:"+string(rune('a'+i)))...)
		names = append(names, name)
	}
	p.ok(names...)
	d.docker("load", "-i", names[5])
	for i, list := range changes {
		ours, theirs := d.inspect("ours:"+string(rune('a'+i))), d.inspect("theirs:"+string(rune('a'+i)))
		if !reflect.DeepEqual(ours, theirs) {
			t.Errorf("%q\nours   %+v\ntheirs %+v", list, ours, theirs)
		}
	}
	history := func(name string) string {
		return d.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}|{{.Comment}}", name)
	}
	if ours, theirs := history("ours:a"), history("theirs:a"); ours != theirs {
		t.Errorf("history\n%s\nwhere docker has\n%s", ours, theirs)
	}
	for _, bad := range []string{"FROM x", "RUN x", "NOTHING", "USER", "ENV A", "ENV A=1 B", `CMD [1]`, "LABEL =x", "HEALTHCHECK --x=1 CMD y", "ONBUILD FROM x"} {
		p.fails(2, []string{"layer commit --help"}, "layer", "commit", "-c", bad, "made")
		if r := finish(t, d.command("commit", "-c", bad, "made")); r.code == 0 {
			t.Errorf("docker commit takes %q", bad)
		}
	}
}

func TestAPersonMakesAnImageAndDockerdRunsIt(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t)
			p.driver = driver
			p.ok("image", "load", "-i", debianSlim(t))
			p.ok("image", "tag", debianSlimID, "slim:e2e")
			if got := p.ok("layer", "create", "--parent", "slim:e2e", "work"); got != "work\n" {
				t.Errorf("made %q", got)
			}
			at := t.TempDir()
			if got := p.mount("work", at); got != at {
				t.Fatalf("mounted on %q", got)
			}
			for name, text := range map[string]string{"hello": "made by hand\n", "etc/motd": "new\n"} {
				if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			tool(t, "rm", "-r", filepath.Join(at, "etc/apt"), filepath.Join(at, "etc/debian_version"))
			tool(t, "chown", "7:8", filepath.Join(at, "hello"))
			tool(t, "ln", filepath.Join(at, "hello"), filepath.Join(at, "opt/hello"))
			tool(t, "cp", "-a", filepath.Join(at, "bin/bash"), filepath.Join(at, "opt/shell"))
			tool(t, "mkdir", filepath.Join(at, "opt/new"))
			p.fails(1, []string{"work", "mounted on " + at, "unmount it first"}, "layer", "rm", "work")
			wanted := listing(t, at)
			p.ok("umount", "work")
			id := strings.TrimSpace(p.ok("layer", "commit", "-m", "by hand", "-c", `CMD ["cat","/hello"]`, "-t", "made:e2e", "work"))
			p.ok("image", "verify", id)
			if got := listing(t, p.mount("made:e2e")); got != wanted {
				t.Errorf("the image shows\n%s\nof\n%s", got, wanted)
			}
			p.fails(1, []string{"made:e2e", "mounted on"}, "image", "rm", "made:e2e")
			p.fails(1, []string{"mounted on"}, "image", "rm", "-f", id)
			p.ok("umount", "made:e2e")
			p.ok("image", "rm", "debian-slim:1") // its other name
			p.fails(1, []string{"container work is using"}, "image", "rm", "slim:e2e")
			p.ok("layer", "rm", "work")

			out := filepath.Join(t.TempDir(), "o.tar")
			p.ok("image", "save", "--format", "docker-archive", "-o", out, "made:e2e")
			d := newDaemon(t, driver)
			d.docker("load", "-i", out)
			if got := d.docker("run", "--rm", "--network", "none", "made:e2e"); got != "made by hand\n" {
				t.Errorf("a container of it says %q", got)
			}
			if got := d.docker("run", "--rm", "--network", "none", "made:e2e", "stat", "-c", "%a %u:%g %h", "/hello", "/opt/hello"); got != "640 7:8 2\n640 7:8 2\n" {
				t.Errorf("the file is there as %q", got)
			}
			if r := finish(t, d.command("run", "--rm", "--network", "none", "made:e2e", "ls", "/etc/apt")); r.code == 0 {
				t.Error("what was removed is there")
			}
			d.stop()
			p.ok("image", "rm", "made:e2e")
			p.nothingLeft()
		})
	}
}

// listing is all that can be told of a tree's files in a line each.
func listing(t testing.TB, dir string) string {
	return strings.Join(lineSet(tool(t, "find", dir, "-mindepth", "1", "-printf", "%P %y %m %U:%G %s %T@ %n %l\n")), "\n")
}
