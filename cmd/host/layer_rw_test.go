package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write writes to a container's layer behind the driver's back, as nobody
// would who may mount.
func (c *cli) write(container, name, text string) {
	c.Helper()
	id := strings.TrimSpace(c.good("--driver", "vfs", "layer", "ls", "--rw", "--format", "{{if eq .Name \""+container+"\"}}{{.ID}}{{end}}"))
	if err := os.WriteFile(filepath.Join(c.root, "vfs/dir", id, name), []byte(text), 0o644); err != nil {
		c.Fatal(err)
	}
}

// onVFS is the program on a root with one image, app:1, stored by vfs.
func onVFS(t *testing.T) (c *cli, id string) {
	t.Helper()
	c = newCLI(t)
	c.args = append(c.args, "--driver", "vfs")
	path, id := c.archive("app:1", "hello")
	c.good("image", "load", "-q", "-i", path)
	return c, id
}

func TestContainersLayerFromCreationToRemoval(t *testing.T) {
	c, id := onVFS(t)
	chain := strings.TrimSpace(c.good("layer", "ls", "-q", "--no-trunc"))
	if out := c.good("layer", "create", "--parent", "app:1", "work"); out != "work\n" {
		t.Errorf("create: %q", out)
	}
	c.good("layer", "create", "empty")
	c.good("layer", "create", "--parent", chain[7:15], "layered")
	c.write("work", "new", "12345")
	want := "NAME      IMAGE ID       PARENT         SIZE      MOUNTED ON\n" +
		"empty                                   0B        \n" +
		"layered                  " + chain[7:19] + "   0B        \n" +
		"work      " + id[7:19] + "   " + chain[7:19] + "   5B        \n"
	if out := c.good("layer", "ls", "--rw"); out != want {
		t.Errorf("ls --rw:\n%s\nwant\n%s", out, want)
	}
	if out := c.good("layer", "ls", "--rw", "-q"); out != "empty\nlayered\nwork\n" {
		t.Errorf("ls --rw -q: %q", out)
	}
	if out := c.good("layer", "inspect", "-f", "{{.Name}} {{.Image}} {{.Parent}} {{.InitID}} {{.Driver}}", "work"); out != "work "+id+" "+chain+"  vfs\n" {
		t.Errorf("inspect: %q", out)
	}
	if out := c.good("layer", "changes", "work"); out != "A /new\n" {
		t.Errorf("changes: %q", out)
	}
	if out := c.good("layer", "changes", chain); out != "A /etc\nA /etc/hello\n" {
		t.Errorf("changes of an image's layer: %q", out)
	}
	if out := c.good("layer", "diff", "work"); !strings.Contains(out, "12345") || strings.Contains(out, "hello") {
		t.Errorf("diff: %q", out)
	}
	made := strings.TrimSpace(c.good("layer", "commit", "-m", "said", "-c", "USER me", "-t", "made", "work"))
	if out := c.good("image", "inspect", "-f", "{{.Comment}} {{.Config.User}} {{.Config.Env}} {{.Parent}} {{len .RootFS.Layers}}", "made"); out != "said me [A=1] "+id+" 2\n" {
		t.Errorf("the image: %q", out)
	}
	if out := c.good("image", "verify", "made"); out != made+": ok\n" {
		t.Errorf("verify: %q", out)
	}
	c.bad(exitFailed, "container work is using its referenced image", "image", "rm", "app:1")
	if out := c.good("layer", "rm", "work", "empty", "layered"); out != "work\nempty\nlayered\n" {
		t.Errorf("rm: %q", out)
	}
	c.good("image", "rm", "made")
	c.good("image", "rm", "app:1")
	if out := c.good("layer", "ls", "-q") + c.good("layer", "ls", "--rw", "-q"); out != "" {
		t.Errorf("left: %q", out)
	}
}

func TestTheLastUserOfALayerTakesItAlong(t *testing.T) {
	c, _ := onVFS(t)
	chain := strings.TrimSpace(c.good("layer", "ls", "-q", "--no-trunc"))
	c.good("layer", "create", "--parent", "app:1", "work")
	c.good("image", "rm", "-f", "app:1")
	c.bad(exitFailed, "the image that it was made of is gone", "layer", "commit", "work")
	if out := c.good("layer", "rm", "work"); out != "work\nDeleted: "+chain+"\n" {
		t.Errorf("rm: %q", out)
	}
}

func TestWhatCannotBeDoneWithAContainersLayerIsSaid(t *testing.T) {
	c, id := onVFS(t)
	chain := strings.TrimSpace(c.good("layer", "ls", "-q"))
	c.good("layer", "create", "--parent", id, "work")
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{exitFailed, "already exists", []string{"create", "work"}},
		{exitFailed, "no such image, layer or container's layer: none", []string{"create", "--parent", "none", "x"}},
		{exitFailed, "work is a container's layer: make an image of it", []string{"create", "--parent", "work", "x"}},
		{exitUsage, "letters, digits", []string{"create", "../x"}},
		{exitUsage, "is not KEY=VALUE", []string{"create", "--storage-opt", "x", "y"}},
		{exitFailed, "size", []string{"create", "--storage-opt", "size=1G", "y"}},
		{exitUsage, "no change of an image's configuration", []string{"commit", "-c", "RUN x", "work"}},
		{exitUsage, "reference", []string{"commit", "-t", "A B", "work"}},
		{exitFailed, `read-write layer "none"`, []string{"commit", "none"}},
		{exitFailed, `read-write layer "none"`, []string{"rm", "none"}},
		{exitFailed, "is a layer of images", []string{"rm", chain}},
		{exitFailed, "compared with its parent only", []string{"diff", "--from", "none", "work"}},
		{exitFailed, "layer does not exist: none", []string{"changes", "none"}},
	} {
		c.bad(test.code, test.says, append([]string{"layer"}, test.args...)...)
	}
	if out := c.good("layer", "ls", "--rw", "-q"); out != "work\n" {
		t.Errorf("there is %q", out)
	}
	if out := c.good("image", "ls", "-a", "-q"); strings.Count(out, "\n") != 1 {
		t.Errorf("there is %q", out)
	}
}
