package main

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func tarNames(t *testing.T, text string) string {
	t.Helper()
	var names []string
	for tr := tar.NewReader(strings.NewReader(text)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(names, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSuffix(h.Name, "/"))
	}
}

func TestAContainersLayerIsExportedWithAllBeneathIt(t *testing.T) {
	c := newCLI(t)
	c.args = append(c.args, "--driver", "vfs")
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-q", "-i", path)
	c.good("layer", "create", "--parent", "app:1", "box")
	c.good("layer", "create", "alone")
	if got := tarNames(t, c.good("layer", "export", "box")); got != "etc etc/hello" {
		t.Errorf("box holds %q", got)
	}
	if got := tarNames(t, c.good("layer", "export", "alone")); got != "" {
		t.Errorf("an empty one holds %q", got)
	}
	out := filepath.Join(t.TempDir(), "out.tar")
	c.good("layer", "export", "-o", out, "box")
	if data, err := os.ReadFile(out); err != nil || tarNames(t, string(data)) != "etc etc/hello" {
		t.Errorf("the file holds other things (%v)", err)
	}
	c.bad(exitUsage, "--verify", "layer", "export", "--verify", "some", "box")
	c.bad(exitFailed, "nobody", "layer", "export", "nobody")

	// What lies beneath is proven before a byte of it is written.
	below := strings.TrimSpace(c.good("layer", "ls", "--format", "{{.CacheID}}"))
	if err := os.WriteFile(filepath.Join(c.root, c.driver(), "dir", below, "etc/hello"), []byte("HELLO"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := c.do("layer", "export", "--verify", "full", "-o", out, "box"); code != exitCorrupt || !strings.Contains(errs, "etc/hello") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if _, err := os.Lstat(out); err == nil {
		t.Error("a file was written of what is damaged")
	}
}
