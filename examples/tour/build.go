package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// make builds an OCI archive of three layers from files of this machine: its
// configuration; the Go tree; and changes to both, with deletions, a replaced
// directory, hard links and symlinks.
func (t *tour) make() (string, error) {
	goroot, err := exec.CommandContext(t.ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	start := time.Now()
	b := &imageBuilder{dir: filepath.Join(t.work, "oci")}
	if err := os.MkdirAll(filepath.Join(b.dir, "blobs/sha256"), 0o700); err != nil {
		return "", err
	}
	src := filepath.Join(strings.TrimSpace(string(goroot)), "src")
	for _, l := range []struct {
		by   string
		fill func(*layerBuilder) error
	}{
		{"the configuration of this machine", func(l *layerBuilder) error { return l.tree("/etc", "etc") }},
		{"the source of Go", func(l *layerBuilder) error {
			return errors.Join(l.dir("usr"), l.dir("usr/src"), l.tree(src, "usr/src/go"))
		}},
		{"deletions, a replaced directory, links", changes},
	} {
		if err := b.layer(l.by, l.fill); err != nil {
			return "", err
		}
	}
	out := filepath.Join(t.work, "image.oci.tar")
	if err := b.finish(out); err != nil {
		return "", err
	}
	say("\nBuilt an OCI archive of %d layers and %d entries from files of this machine in %s.", len(b.diffIDs), b.entries, round(time.Since(start)))
	return out, nil
}

func changes(l *layerBuilder) error {
	return errors.Join(
		l.dir("etc"), l.whiteout("etc/passwd"), l.file("etc/motd", "stored through a sandbox\n"),
		l.dir("usr/src/go"), l.whiteout("usr/src/go/testing"),
		l.dir("usr/src/go/fmt"), l.file("usr/src/go/fmt/.wh..wh..opq", ""), l.file("usr/src/go/fmt/README", "a directory that was replaced\n"),
		l.link("usr/src/go/errors.go", "usr/src/go/errors/errors.go"),
		l.file("usr/src/go/one", "two names\n"), l.link("usr/src/go/two", "usr/src/go/one"),
		l.symlink("etc/up-and-out", "../../../../../../etc/passwd"), l.symlink("usr/src/latest", "/usr/src/go"),
	)
}

type imageBuilder struct {
	dir     string
	diffIDs []string
	layers  []descriptor
	history []map[string]any
	entries int
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

const created = "2020-01-02T03:04:05Z"

// layer writes one gzip layer as a blob.
func (b *imageBuilder) layer(by string, fill func(*layerBuilder) error) error {
	f, err := os.CreateTemp(b.dir, "layer-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	blob, diff := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, blob), gzip.BestSpeed)
	if err != nil {
		return err
	}
	l := &layerBuilder{w: tar.NewWriter(io.MultiWriter(z, diff))}
	if err := errors.Join(fill(l), l.w.Close(), z.Close()); err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	digest := hex.EncodeToString(blob.Sum(nil))
	b.entries += l.n
	b.layers = append(b.layers, descriptor{"application/vnd.oci.image.layer.v1.tar+gzip", "sha256:" + digest, fi.Size()})
	b.diffIDs = append(b.diffIDs, "sha256:"+hex.EncodeToString(diff.Sum(nil)))
	b.history = append(b.history, map[string]any{"created": created, "created_by": by})
	return os.Rename(f.Name(), filepath.Join(b.dir, "blobs/sha256", digest))
}

func (b *imageBuilder) blob(mediaType string, v any) (descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	err = os.WriteFile(filepath.Join(b.dir, "blobs/sha256", digest), raw, 0o600)
	return descriptor{mediaType, "sha256:" + digest, int64(len(raw))}, err
}

// finish writes configuration, manifest and index, and packs the directory.
func (b *imageBuilder) finish(out string) error {
	config, err := b.blob("application/vnd.oci.image.config.v1+json", map[string]any{
		"created": created, "architecture": "amd64", "os": "linux", "config": map[string]any{"Cmd": []string{"/bin/sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": b.diffIDs}, "history": b.history,
	})
	if err != nil {
		return err
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := b.blob(manifestType, map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": b.layers})
	if err != nil {
		return err
	}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{map[string]any{
		"mediaType": manifestType, "digest": manifest.Digest, "size": manifest.Size,
		"annotations": map[string]string{"org.opencontainers.image.ref.name": "this-machine:latest"},
	}}})
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(b.dir, "index.json"), index, 0o600),
		os.WriteFile(filepath.Join(b.dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600),
	); err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	err = w.AddFS(os.DirFS(b.dir))
	return errors.Join(err, w.Close(), f.Close(), os.RemoveAll(b.dir))
}

// layerBuilder writes one layer's archive.
type layerBuilder struct {
	w *tar.Writer
	n int
}

func (l *layerBuilder) header(h *tar.Header) error {
	l.n++
	if h.ModTime.IsZero() {
		h.ModTime = time.Date(2020, 1, 2, 3, 4, 5, 678901234, time.UTC)
	}
	h.Format = tar.FormatPAX
	return l.w.WriteHeader(h)
}

func (l *layerBuilder) dir(name string) error {
	return l.header(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

func (l *layerBuilder) file(name, body string) error {
	if err := l.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
		return err
	}
	_, err := io.WriteString(l.w, body)
	return err
}

func (l *layerBuilder) whiteout(name string) error {
	dir, base := filepath.Split(name)
	return l.file(dir+".wh."+base, "")
}

func (l *layerBuilder) link(name, target string) error {
	return l.header(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644})
}

func (l *layerBuilder) symlink(name, target string) error {
	return l.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777})
}

// tree adds a directory of this machine. What this user may not read is left
// out.
func (l *layerBuilder) tree(from, as string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		return l.copy(p, filepath.Join(as, rel), d)
	})
}

func (l *layerBuilder) copy(p, name string, d fs.DirEntry) error {
	fi, err := d.Info()
	if err != nil {
		return err
	}
	link := ""
	if fi.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(p); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(fi, link)
	if err != nil {
		return nil // a socket
	}
	h.Name = name
	if fi.IsDir() {
		h.Name += "/"
	}
	if !fi.Mode().IsRegular() {
		return l.header(h)
	}
	body, err := os.ReadFile(p)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	h.Size = int64(len(body))
	if err := l.header(h); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	_, err = l.w.Write(body)
	return err
}
