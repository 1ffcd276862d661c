package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/opencontainers/go-digest"
)

const (
	dockerImagesName = "docker images"
	imageLsName      = "bulkhead image ls"
	checkQuickName   = "bulkhead check --quick"
)

// listing measures a list of very many images, which have no layer together.
func listing(images, layers int, bin string) measurement {
	list := func(args ...string) func(context.Context, string, *meter) error {
		return func(ctx context.Context, root string, m *meter) error {
			return m.each(5, func() error {
				return command(ctx, bin, append([]string{"--root", crowdRoot(root), "--driver", "overlay2"}, args...)...)
			})
		}
	}
	ms := measurement{
		name:   fmt.Sprintf("list-%d", images),
		about:  fmt.Sprintf("a list of %d images with %d layers, and a quick check of all, the cost of one of five", images, images*layers),
		skip:   needsRoot(),
		shared: func(ctx context.Context, root string) error { return crowd(ctx, crowdRoot(root), images, layers, bin) },
	}
	ms.variants = []variant{
		{name: dockerImagesName, run: func(ctx context.Context, root string, m *meter) error {
			return withDockerd(ctx, crowdRoot(root), m, func(d *dockerd) error {
				return m.each(5, func() error { return command(ctx, "docker", "--host", d.host(), "images") })
			})
		}},
		{name: imageLsName, run: list("image", "ls")},
		{name: checkQuickName, run: list("check", "--quick")},
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		ms.variants[0].skip = "dockerd is not installed (make deps)"
	}
	ms.goals = []goal{{of: imageLsName, to: dockerImagesName}, {of: checkQuickName, to: dockerImagesName}}
	return ms
}

// crowdRoot is not the file system's own: dockerd mounts its root.
func crowdRoot(root string) string { return filepath.Join(root, "store") }

// crowd stores images of so many small layers each.
func crowd(ctx context.Context, root string, images, layers int, bin string) error {
	if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	path := filepath.Join(root, "crowd.tar")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = errors.Join(writeCrowd(f, images, layers), f.Close())
	if err == nil {
		err = command(ctx, bin, "--root", root, "--driver", "overlay2", "image", "load", "-q", "-i", path)
	}
	return errors.Join(err, os.Remove(path))
}

// writeCrowd writes a docker-save archive.
func writeCrowd(w io.Writer, images, layers int) error {
	tw := tar.NewWriter(w)
	put := func(name string, data []byte) error {
		err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))})
		if err == nil {
			_, err = tw.Write(data)
		}
		return err
	}
	type image struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	var all []image
	for i := range images {
		var diffs []digest.Digest
		one := image{RepoTags: []string{fmt.Sprintf("crowd%d:1", i)}}
		for j := range layers {
			var layer bytes.Buffer
			lw := tar.NewWriter(&layer)
			name := fmt.Sprintf("file%d.%d", i, j)
			err := lw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(name))})
			_, werr := io.WriteString(lw, name)
			if err := errors.Join(err, werr, lw.Close()); err != nil {
				return err
			}
			id := digest.FromBytes(layer.Bytes())
			diffs = append(diffs, id)
			one.Layers = append(one.Layers, id.Encoded()+"/layer.tar")
			if err := put(one.Layers[j], layer.Bytes()); err != nil {
				return err
			}
		}
		config, err := json.Marshal(map[string]any{
			"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z", "config": map[string]any{},
			"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
		})
		if err != nil {
			return err
		}
		one.Config = fmt.Sprintf("%x.json", sha256.Sum256(config))
		if err := put(one.Config, config); err != nil {
			return err
		}
		all = append(all, one)
	}
	manifest, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return errors.Join(put("manifest.json", manifest), tw.Close())
}
