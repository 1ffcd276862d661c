package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// oneLayerImage is the archive of an image with this layer.
func oneLayerImage(in *input, dir string) (path, id string, err error) {
	f, err := os.Open(in.path)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", "", err
	}
	config, err := configOf([]string{fmt.Sprintf("sha256:%x", hash.Sum(nil))})
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, in.name+"-image.tar")
	return path, fmt.Sprintf("sha256:%x", sha256.Sum256(config)), dockerArchive(path, in.name, config, []string{in.path})
}

// archive is the stack as `docker save` would write it; first limits it to the
// lowest layers, 0 is all.
func (s *stack) archive(first int) (path string, err error) {
	config, layers := s.Config, s.layers()
	path = filepath.Join(s.dir, s.name+"-image.tar")
	if first > 0 {
		if config, err = s.part(first); err != nil {
			return "", err
		}
		layers = layers[:first]
		path = filepath.Join(s.dir, fmt.Sprintf("%s-%d-image.tar", s.name, first))
	}
	return path, dockerArchive(path, s.name, config, layers)
}

// dockerArchive writes the archive that `docker save` would make, once.
func dockerArchive(path, tag string, config []byte, layers []string) (err error) {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256(config))
	var names []string
	for i := range layers {
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{"bench:" + tag}, "Layers": names}})
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	tw := tar.NewWriter(out)
	for _, f := range []struct {
		name string
		data []byte
	}{{"manifest.json", manifest}, {name, config}} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			return err
		}
		if _, err := tw.Write(f.data); err != nil {
			return err
		}
	}
	for i, path := range layers {
		if err := addFile(tw, names[i], path); err != nil {
			return err
		}
	}
	return tw.Close()
}

func addFile(tw *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: fi.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}
