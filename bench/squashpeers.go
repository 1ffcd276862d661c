package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/stream"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// flattens is what crane flatten does, the layers merged as archives, but for
// gzip's best compression, which would be most of its time. There is no store
// to put the layer into, so it goes to a file.
func (s *stack) flattens(ctx context.Context, root string, m *meter) error {
	path, err := s.archive(0)
	if err != nil {
		return err
	}
	out := filepath.Join(root, "flat.tar.gz")
	err = m.time(func() error {
		if err := flatten(path, out); err != nil {
			return err
		}
		return command(ctx, "sync", "-f", root)
	})
	if err != nil {
		return err
	}
	f, err := os.Open(out)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	t := newTree()
	if err := eachEntry(z, t.put); err != nil {
		return err
	}
	// Not exactly: what an opaque directory hides is kept.
	if got := t.facts().Bytes; got < s.Tree.Bytes {
		return fmt.Errorf("the flat layer has %d bytes of the tree's %d", got, s.Tree.Bytes)
	}
	return nil
}

// flatten writes the only layer of a flat image and makes the image.
func flatten(path, out string) (err error) {
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		return err
	}
	layer := stream.NewLayer(mutate.Extract(img), stream.WithCompressionLevel(gzip.NoCompression))
	r, err := layer.Compressed()
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, r.Close(), f.Close()); err != nil {
		return err
	}
	flat, err := mutate.AppendLayers(empty.Image, v1.Layer(layer))
	if err == nil {
		_, err = flat.Digest()
	}
	return err
}

// dockerSquashes has a daemon squash an image of the same tree. docker build
// squashes what it built only, so the tree is copied out of the image that was
// loaded; all steps are in the build cache, and the build without --squash is
// taken off.
func (s *stack) dockerSquashes(ctx context.Context, root string, m *meter) error {
	path, err := s.archive(0)
	if err != nil {
		return err
	}
	return withDockerd(ctx, filepath.Join(root, "docker"), m, func(d *dockerd) error {
		if _, err := d.docker(ctx, "load", "--quiet", "--input", path); err != nil {
			return err
		}
		build := filepath.Join(d.dir, "build")
		if err := os.Mkdir(build, 0o755); err != nil {
			return err
		}
		name := "bench:" + s.name
		steps := "FROM scratch\nCOPY --from=" + name + " / /\nCOPY --from=" + name + " /etc/passwd /etc/passwd.copy\n"
		if err := os.WriteFile(filepath.Join(build, "Dockerfile"), []byte(steps), 0o644); err != nil {
			return err
		}
		plain := func() error {
			_, err := d.docker(ctx, "build", "--quiet", "--tag", "plain", build)
			return err
		}
		if err := m.again(plain); err != nil {
			return err
		}
		without := m.cost
		err := m.time(func() error {
			if _, err := d.docker(ctx, "build", "--quiet", "--squash", "--tag", "squashed", build); err != nil {
				return err
			}
			return command(ctx, "sync", "-f", root)
		})
		if err != nil {
			return err
		}
		m.cost.Wall -= without.Wall
		m.cost.CPU -= without.CPU
		return s.dockerSquashed(ctx, d)
	})
}

func (s *stack) dockerSquashed(ctx context.Context, d *dockerd) error {
	layers, err := d.docker(ctx, "inspect", "--format", "{{len .RootFS.Layers}} {{.Size}}", "squashed")
	if err != nil {
		return err
	}
	n, size, _ := strings.Cut(layers, " ")
	if err := expect("layers", n, "1"); err != nil {
		return err
	}
	bytes, err := strconv.ParseInt(size, 10, 64)
	if err == nil && bytes < s.Tree.Bytes {
		err = fmt.Errorf("the squashed layer has %d bytes of the tree's %d", bytes, s.Tree.Bytes)
	}
	return err
}
