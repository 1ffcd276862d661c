package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/child"
)

// compiled has the drivers of all commands: to read a module and to check it
// again for each would take most of the tests' time.
var compiled *engine.Runtime

func TestMain(m *testing.M) {
	child.Main() // if this process is one that a driver runs in
	var err error
	if compiled, err = engine.New(context.Background(), engine.Config{CacheDir: testCache()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	code := m.Run()
	if err := compiled.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func testCache() string { return filepath.Join(os.TempDir(), "bulkhead-test-cache") }

// cli is the program on a root of its own.
type cli struct {
	*testing.T
	root string
	args []string
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	if !slices.Contains(driverswasm.Names(), "vfs") {
		t.Skip("the vfs driver is not built: run make drivers")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("cache-dir: "+testCache()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	return &cli{T: t, root: root, args: []string{"--config", config, "--root", root}}
}

// do runs a command line and returns what it wrote and its exit code.
func (c *cli) do(args ...string) (out, errs string, code int) {
	c.Helper()
	return c.doWith(io.NopCloser(strings.NewReader("")), args...)
}

func (c *cli) doWith(in io.ReadCloser, args ...string) (string, string, int) {
	c.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), slices.Concat(c.args, args), environment{in: in, out: &out, err: &errs, runtime: compiled})
	return out.String(), errs.String(), code
}

// good fails the test unless the command succeeds without a word of error.
func (c *cli) good(args ...string) string {
	c.Helper()
	out, errs, code := c.do(args...)
	if code != exitOK || errs != "" {
		c.Fatalf("%v: exit %d: %s", args, code, errs)
	}
	return out
}

// bad fails the test unless the command fails with the code and one line.
func (c *cli) bad(want int, text string, args ...string) {
	c.Helper()
	_, errs, code := c.do(args...)
	if code != want || !strings.HasPrefix(errs, "bulkhead: ") || !strings.Contains(errs, text) || strings.Count(errs, "\n") != 1 {
		c.Errorf("%v: exit %d, want %d; wrote %q, want one line with %q", args, code, want, errs, text)
	}
}

// archive writes a docker-save archive of an image with one file.
func (c *cli) archive(tag, text string) (path, id string) {
	c.Helper()
	pack := func(files map[string]string) []byte {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for name, data := range files {
			if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}); err != nil {
				c.Fatal(err)
			}
			if _, err := io.WriteString(tw, data); err != nil {
				c.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			c.Fatal(err)
		}
		return buf.Bytes()
	}
	layer := pack(map[string]string{"etc/" + text: text})
	config := `{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":{"Env":["A=1"]},` +
		`"rootfs":{"type":"layers","diff_ids":["` + digest.FromBytes(layer).String() + `"]},` +
		`"history":[{"created":"2024-01-02T03:04:05Z","created_by":"RUN ` + text + `"}]}`
	manifest, err := json.Marshal([]any{map[string]any{"Config": "c.json", "RepoTags": []string{tag}, "Layers": []string{"l.tar"}}})
	if err != nil {
		c.Fatal(err)
	}
	path = filepath.Join(c.TempDir(), "image.tar")
	data := pack(map[string]string{"c.json": config, "l.tar": string(layer), "manifest.json": string(manifest)})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		c.Fatal(err)
	}
	return path, digest.FromString(config).String()
}

// file finds a stored file by its name.
func (c *cli) file(name string) string {
	c.Helper()
	found := ""
	err := filepath.WalkDir(c.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		c.Fatalf("no file %s (%v)", name, err)
	}
	return found
}

// driver is the one that the root was written with.
func (c *cli) driver() string {
	c.Helper()
	names, err := os.ReadDir(filepath.Join(c.root, "image"))
	if err != nil || len(names) != 1 {
		c.Fatalf("%v %v", names, err)
	}
	return names[0].Name()
}
