package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImageFromLoadToRemoval(t *testing.T) {
	c := newCLI(t)
	path, id := c.archive("app:1", "hello")
	if out := c.good("image", "ls"); out != "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n" {
		t.Errorf("an empty root lists as %q", out)
	}
	if _, err := os.Stat(c.root); err == nil {
		t.Error("listing made the root")
	}
	if out := c.good("image", "load", "-i", path); out != "Loaded image: app:1\n" {
		t.Errorf("load: %q", out)
	}
	short := id[7:19]
	if out := c.good("image", "ls"); !strings.Contains(out, "app          1         "+short) || !strings.HasSuffix(out, "5B\n") {
		t.Errorf("ls: %q", out)
	}
	if out := c.good("image", "ls", "-q", "--no-trunc", "app"); out != id+"\n" {
		t.Errorf("ls -q: %q", out)
	}
	if out := c.good("image", "ls", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}"); out != "app:1@<none>\n" {
		t.Errorf("ls --format: %q", out)
	}
	c.good("image", "tag", "app:1", "example.com/other")
	if out := c.good("image", "inspect", "-f", "{{.Id}} {{json .RepoTags}} {{.GraphDriver.Name}}", short); out != id+` ["app:1","example.com/other:latest"] `+c.driver()+"\n" {
		t.Errorf("inspect: %q", out)
	}
	if out := c.good("image", "history", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}}", "app:1"); out != short+" RUN hello 5B\n" {
		t.Errorf("history: %q", out)
	}
	if out := c.good("image", "history", "-H=false", "--format", "{{.Size}} {{.CreatedAt}}", "app:1"); out != "5 2024-01-02T03:04:05Z\n" {
		t.Errorf("history -H=false: %q", out)
	}
	if out := c.good("image", "verify"); out != id+": ok\n" {
		t.Errorf("verify: %q", out)
	}
	if out := c.good("image", "rm", "app:1"); out != "Untagged: app:1\n" {
		t.Errorf("rm: %q", out)
	}
	if out := c.good("image", "rm", short); !strings.Contains(out, "Untagged: example.com/other:latest\nDeleted: "+id+"\nDeleted: sha256:") {
		t.Errorf("rm: %q", out)
	}
	if out := c.good("layer", "ls", "-q"); out != "" {
		t.Errorf("layers are left: %q", out)
	}
}

func TestSavedArchiveIsTheSameToFileAndStream(t *testing.T) {
	c := newCLI(t)
	path, id := c.archive("app:1", "hello")
	c.good("image", "load", "-q", "-i", path)
	for _, format := range []string{"docker-archive", "oci-archive"} {
		file := filepath.Join(t.TempDir(), "saved.tar")
		c.good("image", "save", "--format", format, "-o", file, "app:1")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if out := c.good("image", "save", "--format", format, "app:1"); out != string(data) {
			t.Errorf("%s: stream and file differ", format)
		}
		again := newCLI(t)
		out, errs, code := again.doWith(io.NopCloser(strings.NewReader(string(data))), "image", "load")
		if code != exitOK || out != "Loaded image: app:1\n" {
			t.Errorf("%s from a pipe: %q, %q, %d", format, out, errs, code)
		}
		if out := again.good("image", "ls", "-q", "--no-trunc"); out != id+"\n" {
			t.Errorf("%s: %q", format, out)
		}
	}
}

func TestDamageIsExitThreeAndNamesTheFile(t *testing.T) {
	c := newCLI(t)
	path, id := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	if err := os.WriteFile(c.file("hello"), []byte("HELLO"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, errs, code := c.do("image", "verify")
	if code != exitCorrupt || out != id+": FAILED\n" || !strings.Contains(errs, `"etc/hello"`) {
		t.Errorf("verify: %d, %q, %q", code, out, errs)
	}
	for _, line := range strings.Split(strings.TrimSpace(errs), "\n") {
		if !strings.HasPrefix(line, "bulkhead: image "+id[7:19]+", layer 1: ") {
			t.Errorf("line %q does not say which image", line)
		}
	}
	dir := t.TempDir()
	c.bad(exitCorrupt, "etc/hello", "image", "save", "-o", filepath.Join(dir, "out.tar"), "app:1")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if out, _, code := c.do("image", "save", "app:1"); code != exitCorrupt || out != "" {
		t.Errorf("save to a stream: %d, %d bytes", code, len(out))
	}
	content := filepath.Join(c.root, "image", c.driver(), "imagedb", "content", "sha256", id[7:])
	if err := os.WriteFile(content, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = c.do("image", "ls", "--format", "{{.ID}} {{.CreatedSince}}")
	if code != exitCorrupt || out != id[7:19]+" corrupt\n" || !strings.Contains(errs, id[7:19]) {
		t.Errorf("ls: %d, %q, %q", code, out, errs)
	}
}

func TestRefusedArchiveSaysWhyInOneLine(t *testing.T) {
	c := newCLI(t)
	bad := filepath.Join(t.TempDir(), "bad.tar")
	if err := os.WriteFile(bad, []byte("this is no tar"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.bad(exitFailed, "not a whole tar file", "image", "load", "-i", bad)
	c.bad(exitFailed, "no such file", "image", "load", "-i", bad+"x")
	if _, err := os.Stat(c.root); err == nil {
		t.Error("an archive that cannot be read made the root")
	}
	good, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", good)
	c.bad(exitFailed, "no such image: app:9", "image", "save", "app:9")
	c.bad(exitFailed, "no such image: app:9", "image", "tag", "app:9", "x")
	c.bad(exitFailed, "no such image: app:9", "image", "rm", "app:9")
	c.bad(exitFailed, "no such image: app:9", "image", "history", "app:9")
}

func TestLayersAreListedAndWrittenOut(t *testing.T) {
	c := newCLI(t)
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	id := strings.TrimSpace(c.good("layer", "ls", "-q", "--no-trunc"))
	if !strings.HasPrefix(id, "sha256:") {
		t.Fatalf("layer ls: %q", id)
	}
	if out := c.good("layer", "inspect", "-f", "{{.ChainID}} {{.DiffID}} {{.DiffSize}} {{.Depth}}", id[7:12]); out != id+" "+id+" 5 1\n" {
		t.Errorf("layer inspect: %q", out)
	}
	if out := c.good("layer", "diff", id); !strings.Contains(out, "etc/hello") {
		t.Errorf("layer diff: %d bytes", len(out))
	}
	if out := c.good("layer", "diff", "--from", "none", id); !strings.Contains(out, "etc/hello") {
		t.Errorf("layer diff --from none: %d bytes", len(out))
	}
	if out := c.good("layer", "verify", id[:20]); out != id+": ok\n" {
		t.Errorf("layer verify: %q", out)
	}
	c.bad(exitFailed, "layer does not exist: ffff", "layer", "inspect", "ffff")
}
