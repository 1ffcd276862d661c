package vfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/native"
)

func openDriver(t *testing.T) (*host.Driver, string) {
	t.Helper()
	dir := t.TempDir()
	ctx := context.Background()
	cfg := host.Config{
		Name: "vfs", Home: filepath.Join(dir, "vfs"), State: filepath.Join(dir, "state"),
		Embedded: true, Unprivileged: os.Geteuid() != 0,
	}
	d, err := host.Open(ctx, cfg, func(_ context.Context, configure host.Configure) (engine.Module, error) {
		return native.New(vfs.Driver{}, engine.Options{Configure: configure}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return d, cfg.Home
}

var noon = time.Unix(1_600_000_000, 5000)

// entry spells a tar entry: "d path", "f path content", "l path target",
// "h path target" or "x path" for a whiteout.
func archive(t *testing.T, entries ...string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		f := strings.SplitN(e, " ", 3)
		h := &tar.Header{Name: f[1], Mode: 0o644, ModTime: noon, Uid: os.Geteuid(), Gid: os.Getegid(), Format: tar.FormatPAX}
		content := ""
		switch f[0] {
		case "d":
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
			h.Name += "/"
		case "f":
			content = f[2]
			h.Size = int64(len(content))
		case "l":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f[2], 0o777
		case "h":
			h.Typeflag, h.Linkname = tar.TypeLink, f[2]
		case "x":
			h.Name = filepath.Join(filepath.Dir(f[1]), ".wh."+filepath.Base(f[1]))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func layer(t *testing.T, d *host.Driver, id, parent string, entries ...string) int64 {
	t.Helper()
	ctx := context.Background()
	if err := d.Create(ctx, id, parent, graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	n, err := d.ApplyDiff(ctx, id, parent, archive(t, entries...))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func changes(t *testing.T, d *host.Driver, id, parent string) string {
	t.Helper()
	list, err := d.Changes(context.Background(), id, parent)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		out = append(out, c.String())
	}
	return strings.Join(out, ", ")
}

// names are those of an archive, with what kind each is.
func names(t *testing.T, d *host.Driver, id, parent string) string {
	t.Helper()
	r, err := d.Diff(context.Background(), id, parent)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []string
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%c%s", h.Typeflag, h.Name))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func build(t *testing.T, d *host.Driver) {
	t.Helper()
	layer(t, d, "c0", "", "d etc", "f etc/passwd root", "f etc/shadow secret", "l etc/link passwd", "d usr", "d usr/lib", "f usr/lib/a aaaa", "f gone x")
	layer(t, d, "c1", "c0", "f etc/shadow SECRET", "x gone", "d opt", "f opt/new 123")
	layer(t, d, "c2", "c1", "f usr/lib/b bb", "h usr/lib/c usr/lib/b")
}

func TestLayersLieWhereMobyPutsThem(t *testing.T) {
	d, home := openDriver(t)
	build(t, d)
	dir, err := d.Get(context.Background(), "c1", "")
	if err != nil || dir != filepath.Join(home, "dir", "c1") {
		t.Fatalf("%q %v", dir, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "etc/shadow")); string(b) != "SECRET" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(filepath.Join(home, "dir/c0/etc/shadow")); string(b) != "secret" {
		t.Errorf("the parent changed: %q %v", b, err)
	}
}

func TestChangesAgainstParentAncestorAndNothing(t *testing.T) {
	d, _ := openDriver(t)
	build(t, d)
	for parent, want := range map[string]string{
		"c1": "C /usr, C /usr/lib, A /usr/lib/b, A /usr/lib/c",
		"c0": "C /etc, C /etc/shadow, D /gone, A /opt, A /opt/new, C /usr, C /usr/lib, A /usr/lib/b, A /usr/lib/c",
		"": "A /etc, A /etc/link, A /etc/passwd, A /etc/shadow, A /opt, A /opt/new, " +
			"A /usr, A /usr/lib, A /usr/lib/a, A /usr/lib/b, A /usr/lib/c",
	} {
		if got := changes(t, d, "c2", parent); got != want {
			t.Errorf("against %q:\n got %s\nwant %s", parent, got, want)
		}
	}
}

func TestDiffAgainstParentAncestorAndNothing(t *testing.T) {
	d, _ := openDriver(t)
	build(t, d)
	for parent, want := range map[string]string{
		"c1": "0usr/lib/b 1usr/lib/c 5usr/ 5usr/lib/",
		"c0": "0.wh.gone 0etc/shadow 0opt/new 0usr/lib/b 1usr/lib/c 5etc/ 5opt/ 5usr/ 5usr/lib/",
		"": "0etc/passwd 0etc/shadow 0opt/new 0usr/lib/a 0usr/lib/b 1usr/lib/c 2etc/link " +
			"5etc/ 5opt/ 5usr/ 5usr/lib/",
	} {
		if got := names(t, d, "c2", parent); got != want {
			t.Errorf("against %q:\n got %s\nwant %s", parent, got, want)
		}
	}
}

func TestADiffAppliedAgainGivesTheSameTree(t *testing.T) {
	d, _ := openDriver(t)
	build(t, d)
	ctx := context.Background()
	r, err := d.Diff(ctx, "c2", "c0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := d.Create(ctx, "copy", "c0", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ApplyDiff(ctx, "copy", "c0", r); err != nil {
		t.Fatal(err)
	}
	if got := changes(t, d, "copy", "c2"); got != "" {
		t.Errorf("differences: %s", got)
	}
}

func TestSizesCountFilesOnce(t *testing.T) {
	d, _ := openDriver(t)
	build(t, d)
	for parent, want := range map[string]int64{"c1": 2, "c0": 2 + 6 + 3, "": 4 + 6 + 4 + 2 + 3} {
		if n, err := d.DiffSize(context.Background(), "c2", parent); err != nil || n != want {
			t.Errorf("against %q: %d %v, want %d", parent, n, err, want)
		}
	}
}

// A change that keeps size and time is what dockerd's squash loses.
func TestSameSizeSameTimeIsStillAChange(t *testing.T) {
	d, home := openDriver(t)
	build(t, d)
	ctx := context.Background()
	if err := d.CreateReadWrite(ctx, "rw", "c2", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := changes(t, d, "rw", "c2"); got != "" {
		t.Errorf("a fresh layer differs: %s", got)
	}
	time.Sleep(50 * time.Millisecond)
	file := filepath.Join(home, "dir/rw/etc/passwd")
	if err := os.WriteFile(file, []byte("toor"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, noon, noon); err != nil {
		t.Fatal(err)
	}
	if got := changes(t, d, "rw", "c2"); got != "C /etc, C /etc/passwd" {
		t.Errorf("%s", got)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	d, home := openDriver(t)
	build(t, d)
	ctx := context.Background()
	for name, test := range map[string]struct {
		err  error
		want error
	}{
		"exists":         {d.Create(ctx, "c0", "", graphdriver.CreateOptions{}), graphdriver.ErrExists},
		"exists, child":  {d.Create(ctx, "c1", "c0", graphdriver.CreateOptions{}), graphdriver.ErrExists},
		"no parent":      {d.Create(ctx, "c9", "c8", graphdriver.CreateOptions{}), graphdriver.ErrNotFound},
		"size option":    {d.Create(ctx, "c9", "", graphdriver.CreateOptions{StorageOpt: map[string]string{"size": "1G"}}), graphdriver.ErrNotSupported},
		"unknown option": {d.Create(ctx, "c9", "", graphdriver.CreateOptions{StorageOpt: map[string]string{"colour": "red"}}), graphdriver.ErrNotSupported},
		"get":            {func() error { _, err := d.Get(ctx, "c9", ""); return err }(), graphdriver.ErrNotFound},
		"metadata":       {func() error { _, err := d.GetMetadata(ctx, "c9"); return err }(), graphdriver.ErrNotFound},
		"changes":        {func() error { _, err := d.Changes(ctx, "c9", ""); return err }(), graphdriver.ErrNotFound},
		"changes parent": {func() error { _, err := d.Changes(ctx, "c0", "c9"); return err }(), graphdriver.ErrNotFound},
		"put":            {d.Put(ctx, "c9"), nil},
		"remove":         {d.Remove(ctx, "c9"), nil},
	} {
		if !errors.Is(test.err, test.want) || test.want == nil && test.err != nil {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	if _, err := os.Lstat(filepath.Join(home, "dir", "c9")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed create left something: %v", err)
	}
	if ok, err := d.Exists(ctx, "c9"); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if err := d.Remove(ctx, "c2"); err != nil {
		t.Error(err)
	}
	if ok, err := d.Exists(ctx, "c2"); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
}
