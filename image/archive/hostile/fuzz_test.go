package hostile_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/archive/hostile"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// script turns bytes into layers whose entries meet each other often: few
// names, all kinds, links to each other and out of the tree. Four bytes are
// an entry.
func script(data []byte) (layers [][]byte) {
	names := []string{
		"a", "b", "c", "d/", "d/a", "d/b", "d/d/", "d/d/a", "l", "l/a", "l/d/a", "m/b", "a/b", ".", "/a", "./d//b", "../a", "d/../b",
		".wh.a", ".wh.b", ".wh.d", ".wh.l", "d/.wh.a", "d/.wh.d", "l/.wh.a", ".wh..wh..opq", "d/.wh..wh..opq", "l/.wh..wh..opq", "d/d/.wh..wh..opq",
		".wh..wh.plnk/a", ".wh.", "d/.wh...", "\xff",
	}
	targets := []string{"a", "b", "d", "d/a", "../a", "/d", "/", "..", "l", "m", "../../../../../../../../etc", "/proc/self/root/etc", "nothing", "d/d/a", "l/a"}
	kinds := []byte{tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeFifo, tar.TypeDir}
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	next := func() {
		tw.Close() // a bytes.Buffer takes all
		layers = append(layers, bytes.Clone(buf.Bytes()))
		buf.Reset()
		tw = tar.NewWriter(&buf)
	}
	for ; len(data) >= 4; data = data[4:] {
		if data[0] == 0xff && len(layers) < 2 {
			next()
			continue
		}
		h := &tar.Header{
			Typeflag: kinds[int(data[0])%len(kinds)], Name: names[int(data[1])%len(names)], Mode: 0o644 | int64(data[3]&0o111),
			ModTime: time.Unix(1e9+int64(data[2]), 0), Uid: os.Geteuid(), Gid: os.Getegid(), Devmajor: 1, Devminor: 3,
		}
		var body string
		switch h.Typeflag {
		case tar.TypeReg:
			body = strings.Repeat("x", int(data[3]%3))
			h.Size = int64(len(body))
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname = targets[int(data[2])%len(targets)]
		case tar.TypeDir:
			h.Mode |= 0o711
		}
		if err := tw.WriteHeader(h); err == nil {
			io.WriteString(tw, body)
		}
	}
	next()
	return layers
}

// fuzzStores opens the layer store over a driver that runs natively.
func fuzzStores(f *testing.F, name string, compile host.Compile) (s *layer.Store, root string) {
	f.Helper()
	ctx := context.Background()
	root = f.TempDir()
	var grants []string
	if name == "overlay2" {
		grants = []string{"mount.overlay", "mknod.whiteout", "xattr.trusted", "xattr.user"}
	}
	d, err := host.Open(ctx, host.Config{
		Name: name, Home: filepath.Join(root, name), State: filepath.Join(root, "bulkhead", name), Scratch: f.TempDir(),
		Embedded: true, Unprivileged: !graphdriver.Privileged(), Grants: grants,
	}, compile)
	if errors.Is(err, graphdriver.ErrNotSupported) {
		return nil, root
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { d.Close(ctx) })
	s, err = layer.Open(ctx, layer.Options{Root: root, DriverName: name, Driver: host.Complete(d)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	return s, root
}

// FuzzLayers: whatever entries do to each other, layers are stored so that
// they come out as they went in and are found to be right, or refused as
// archives are; and nothing outside is touched.
func FuzzLayers(f *testing.F) {
	f.Add([]byte{3, 8, 2, 0, 0, 9, 0, 1})                              // a symlink, and a file beneath it
	f.Add([]byte{2, 3, 0, 0, 0, 4, 0, 1, 0xff, 0, 0, 0, 0, 25, 0, 0})  // an opaque root over a directory
	f.Add([]byte{0, 0, 0, 1, 0xff, 0, 0, 0, 0, 25, 0, 0, 0, 18, 0, 0}) // then a whiteout
	f.Add([]byte{3, 8, 2, 0, 0xff, 0, 0, 0, 0, 27, 0, 0, 0, 9, 0, 1})  // an opaque marker through a lower symlink
	f.Add([]byte{0, 4, 0, 1, 0xff, 0, 0, 0, 4, 1, 3, 0, 0, 22, 0, 0})  // a link to a lower file, which then goes
	f.Add([]byte{2, 3, 0, 0, 0xff, 0, 0, 0, 0, 20, 0, 0, 2, 3, 0, 0})  // a directory over its own whiteout
	f.Add([]byte{3, 3, 9, 0, 0xff, 0, 0, 0, 2, 6, 0, 0, 0, 7, 0, 1})   // a symlink in a directory's place
	stores := map[string]*layer.Store{}
	homes := map[string]string{}
	for name, compile := range map[string]host.Compile{"vfs": host.Native(vfs.Driver{}), "overlay2": host.Native(&overlay2.Driver{})} {
		if s, root := fuzzStores(f, name, compile); s != nil {
			stores[name], homes[name] = s, root
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			return
		}
		layers := script(data)
		for name, s := range stores {
			checkLayers(t, s, layers, name)
			if left, err := filepath.Glob(filepath.Join(homes[name], "image", name, "layerdb/sha256/*")); err != nil || len(left) != 0 {
				t.Errorf("%s: left %v (%v)", name, left, err)
			}
		}
	})
}

func checkLayers(t *testing.T, s *layer.Store, layers [][]byte, name string) {
	t.Helper()
	ctx := t.Context()
	var parent layer.ChainID
	var kept []layer.Layer
	defer func() {
		for i := len(kept) - 1; i >= 0; i-- {
			if _, err := s.Release(context.WithoutCancel(ctx), kept[i]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}()
	for _, data := range layers {
		l, err := s.Register(ctx, bytes.NewReader(data), parent, layer.RegisterOptions{})
		if err != nil {
			if !errors.Is(err, layertar.ErrRefused) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v\n%s", name, err, listing(layers))
			}
			return
		}
		kept = append(kept, l)
		parent = l.ChainID()
		r, err := l.TarStream(ctx)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h := sha256.New()
		_, err = io.Copy(h, r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Errorf("%s: %v\n%s", name, err, listing(layers))
		}
		if err := s.Verify(ctx, parent); err != nil {
			t.Errorf("%s: %v\n%s", name, err, listing(layers))
		}
	}
}

// listing shows the layers of a script.
func listing(layers [][]byte) string {
	var b strings.Builder
	for i, data := range layers {
		fmt.Fprintf(&b, "layer %d\n", i)
		for tr := tar.NewReader(bytes.NewReader(data)); ; {
			h, err := tr.Next()
			if err != nil {
				break
			}
			fmt.Fprintf(&b, "  %c %q -> %q %d bytes\n", h.Typeflag, h.Name, h.Linkname, h.Size)
		}
	}
	return b.String()
}

// FuzzLoad: whatever an archive is, it is loaded or refused as one.
func FuzzLoad(f *testing.F) {
	for _, c := range hostile.Cases() {
		var b bytes.Buffer
		if c.Heavy {
			continue
		}
		if err := c.Write(&b, "/outside"); err != nil {
			f.Fatal(err)
		}
		if b.Len() < 16<<10 {
			f.Add(b.Bytes())
		}
	}
	layers, root := fuzzStores(f, "vfs", host.Native(vfs.Driver{}))
	images, err := image.Open(context.Background(), image.Options{Root: root, DriverName: "vfs", Layers: layers})
	if err != nil {
		f.Fatal(err)
	}
	s := &stack{Stores: archive.Stores{Images: images, Layers: layers}, dir: f.TempDir(), root: root, temp: f.TempDir(), driver: "vfs"}
	path := filepath.Join(s.dir, "fuzzed")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		in, err := input.Open(ctx, path, input.Options{TempDir: s.temp, Limits: input.Limits{Spool: 16 << 20}})
		var loaded []archive.Loaded
		if err == nil {
			defer in.Close()
			loaded, err = archive.Load(ctx, s.Stores, in, archive.LoadOptions{Limits: archive.Limits{Layer: 16 << 20}})
		}
		if err != nil && !errors.Is(err, input.ErrRefused) && !errors.Is(err, layertar.ErrRefused) && !errors.Is(err, layer.ErrDigestMismatch) {
			t.Errorf("not a refusal: %v", err)
		}
		for _, l := range loaded {
			s.exact(t, hostile.Case{}, l.ID)
			if _, err := s.Images.Remove(ctx, string(l.ID), removeAll); err != nil {
				t.Error(err)
			}
		}
		if n := len(s.Images.Map()); n != 0 {
			t.Errorf("%d images are there", n)
		}
		if left, _ := os.ReadDir(filepath.Join(s.root, "vfs/dir")); len(left) != 0 {
			t.Errorf("the driver has %v", left)
		}
	})
}
