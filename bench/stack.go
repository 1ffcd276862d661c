package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// stack is an image: layers one upon another, as uncompressed archives on
// disk, and their configuration.
type stack struct {
	name string
	dir  string // where the archives lie
	stackFacts
}

// stackFacts are what is known of a stack that has been made.
type stackFacts struct {
	About   string
	Config  []byte
	DiffIDs []string
	Entries int
	Bytes   int64
	// Tree is what the layers come to, and Names how many names a program
	// leaves behind that unpacks them and knows nothing of whiteouts.
	Tree  treeFacts
	Names int
}

func (s *stack) String() string {
	return fmt.Sprintf("%s: %s, %d layers, %d entries, %d MB", s.name, s.About, len(s.DiffIDs), s.Entries, s.Bytes>>20)
}

func (s *stack) facts() string      { return filepath.Join(s.dir, s.name+"-stack") }
func (s *stack) layer(i int) string { return filepath.Join(s.dir, fmt.Sprintf("%s-%d.tar", s.name, i)) }
func (s *stack) load() error        { return loadFacts(s.facts(), &s.stackFacts) }

// layers are the paths of all archives, the lowest first.
func (s *stack) layers() []string {
	var paths []string
	for i := range s.DiffIDs {
		paths = append(paths, s.layer(i))
	}
	return paths
}

// id is the image's, from its configuration as everywhere.
func (s *stack) id() string { return fmt.Sprintf("sha256:%x", sha256.Sum256(s.Config)) }

// part is the image of the n lowest layers, with a configuration of its own.
func (s *stack) part(n int) (config []byte, err error) { return configOf(s.DiffIDs[:n]) }

func configOf(diffIDs []string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
}

// create makes the archives. image is an OCI archive that may not be there.
func (s *stack) create(image string) error {
	if s.name == "40k" {
		s.About = "made"
		return s.make(nil, 8, fortyThousand)
	}
	if _, err := os.Stat(image); err == nil {
		img, err := openOCI(image)
		if err != nil {
			return err
		}
		s.About = filepath.Base(image)
		return s.make(img.config, len(img.layers), img.layer)
	}
	s.About = "parts of this machine"
	roots := []string{"/etc", "/usr/bin", "/usr/lib", "/usr/share"}
	return s.make(nil, len(roots), func(w io.Writer, i int) error { return machineTree(w, 2500, roots[i]) })
}

// make writes n layers and notes what came of them; without a config, one is
// made.
func (s *stack) make(config []byte, n int, write func(w io.Writer, i int) error) error {
	t, names := newTree(), newTree()
	for i := range n {
		in := &input{name: fmt.Sprintf("%s, layer %d", s.name, i+1), path: s.layer(i)}
		if err := in.make(func(w io.Writer) error { return write(w, i) }); err != nil {
			return err
		}
		f, err := os.Open(in.path)
		if err != nil {
			return err
		}
		hash := sha256.New()
		opaque := map[string]bool{}
		err = eachEntry(io.TeeReader(f, hash), func(h *tar.Header) {
			names.put(h)
			if dir, ok := opaqueDir(h.Name); ok {
				opaque[dir] = true
			}
		})
		if err == nil {
			_, err = io.Copy(hash, f)
		}
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err == nil {
			t.empty(opaque)
			err = eachEntry(f, t.apply)
		}
		f.Close()
		if err != nil {
			return err
		}
		s.DiffIDs = append(s.DiffIDs, fmt.Sprintf("sha256:%x", hash.Sum(nil)))
		s.Entries += in.Entries
		s.Bytes += in.Bytes
	}
	s.Tree, s.Names = t.facts(), names.facts().Names
	if s.Config = config; config == nil {
		var err error
		if s.Config, err = configOf(s.DiffIDs); err != nil {
			return err
		}
	}
	return saveFacts(s.facts(), s.stackFacts)
}

// fortyThousand writes one of eight layers that add 5,000 files each, replace
// fifty of the layer beneath and remove ten.
func fortyThousand(w io.Writer, layer int) error {
	rnd := rand.NewChaCha8([32]byte{byte(layer), 2})
	sizes := rand.New(rnd)
	content := make([]byte, 8<<10)
	tw := tar.NewWriter(w)
	name := func(layer, f int) string { return fmt.Sprintf("srv/part%d/sub%02d/file%02d", layer, f/100, f%100) }
	file := func(path string) error {
		body := content[:sizes.IntN(len(content))]
		rnd.Read(body)
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: int64(len(body)), ModTime: when()}); err != nil {
			return err
		}
		_, err := tw.Write(body)
		return err
	}
	dirs := []string{"srv/", fmt.Sprintf("srv/part%d/", layer)}
	for sub := range 50 {
		dirs = append(dirs, fmt.Sprintf("srv/part%d/sub%02d/", layer, sub))
	}
	for _, d := range dirs {
		if err := tw.WriteHeader(dirHeader(d)); err != nil {
			return err
		}
	}
	for f := range 5000 {
		if err := file(name(layer, f)); err != nil {
			return err
		}
	}
	if layer > 0 {
		for f := 0; f < 5000; f += 100 {
			if err := file(name(layer-1, f)); err != nil {
				return err
			}
		}
		for f := 1; f < 5000; f += 500 {
			dir, base := filepath.Split(name(layer-1, f))
			if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + ".wh." + base, Mode: 0o644, ModTime: when()}); err != nil {
				return err
			}
		}
	}
	return tw.Close()
}
