package main

import (
	"archive/tar"
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// input is one layer, as an uncompressed archive on disk.
type input struct {
	name string
	path string
	inputFacts
}

// inputFacts are what is known of an input that has been made. They lie beside
// it, since each run is a process of its own.
type inputFacts struct {
	About   string
	Entries int
	Files   int   // regular ones
	Bytes   int64 // in them
}

func (in *input) String() string {
	return fmt.Sprintf("%s: %s, %d entries, %d MB", in.name, in.About, in.Entries, in.Bytes>>20)
}

// load reads the facts; of an input that has not been made there are none.
func (in *input) load() error { return loadFacts(in.path, &in.inputFacts) }

func loadFacts(path string, facts any) error {
	b, err := os.ReadFile(path + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, facts)
}

func saveFacts(path string, facts any) error {
	b, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	return os.WriteFile(path+".json", b, 0o644)
}

// create makes the archive. image is an OCI archive that may not be there.
func (in *input) create(image string) error {
	if in.name == "small" {
		return in.smallFiles()
	}
	return in.rootfs(image)
}

// rootfs is the first layer of an OCI archive, or a tree of this machine.
func (in *input) rootfs(image string) error {
	if _, err := os.Stat(image); err == nil {
		in.About = "first layer of " + filepath.Base(image)
		img, err := openOCI(image)
		if err != nil {
			return err
		}
		return in.make(func(w io.Writer) error { return img.layer(w, 0) })
	}
	in.About = "part of this machine's /usr and /etc"
	return in.make(func(w io.Writer) error { return machineTree(w, 10_000, "/etc", "/usr") })
}

// smallFiles is 30,000 files of up to 8 KB that are the same each time.
func (in *input) smallFiles() error {
	in.About = "made"
	return in.make(func(w io.Writer) error {
		rnd := rand.NewChaCha8([32]byte{1})
		sizes := rand.New(rnd)
		content := make([]byte, 8<<10)
		tw := tar.NewWriter(w)
		for d := range 300 {
			sub := fmt.Sprintf("tree/dir%02d/sub%d/", d/10, d%10)
			if d%10 == 0 {
				if err := tw.WriteHeader(dirHeader(fmt.Sprintf("tree/dir%02d/", d/10))); err != nil {
					return err
				}
			}
			if err := tw.WriteHeader(dirHeader(sub)); err != nil {
				return err
			}
			for f := range 100 {
				body := content[:sizes.IntN(len(content))]
				rnd.Read(body)
				h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sfile%02d", sub, f), Mode: 0o644, Size: int64(len(body)), ModTime: when()}
				if err := tw.WriteHeader(h); err != nil {
					return err
				}
				if _, err := tw.Write(body); err != nil {
					return err
				}
			}
		}
		return tw.Close()
	})
}

func when() time.Time { return time.Unix(1_600_000_000, 0) }

func dirHeader(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: when()}
}

// make writes the archive and counts what is in it.
func (in *input) make(write func(io.Writer) error) error {
	f, err := os.Create(in.path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return fmt.Errorf("input %s: %w", in.name, err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	err = eachEntry(f, func(h *tar.Header) {
		in.Entries++
		if h.Typeflag == tar.TypeReg {
			in.Files++
			in.Bytes += h.Size
		}
	})
	if err != nil {
		return fmt.Errorf("input %s: %w", in.name, err)
	}
	return saveFacts(in.path, in.inputFacts)
}

// eachEntry reads an archive to its end.
func eachEntry(r io.Reader, see func(*tar.Header)) error {
	tr := tar.NewReader(bufio.NewReaderSize(r, 1<<20))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		see(h)
	}
}

// machineTree archives up to limit directories, files and symlinks.
func machineTree(w io.Writer, limit int, roots ...string) error {
	tw := tar.NewWriter(w)
	left := limit
	for _, root := range roots {
		err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if left <= 0 {
				return fs.SkipAll
			}
			if err != nil || !(d.IsDir() || d.Type().IsRegular() || d.Type() == fs.ModeSymlink) {
				return nil // what cannot be read is left out
			}
			left--
			return archiveFile(tw, p, d)
		})
		if err != nil {
			return err
		}
	}
	return tw.Close()
}

func archiveFile(tw *tar.Writer, p string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return nil
	}
	var link string
	var body *os.File
	switch {
	case d.Type() == fs.ModeSymlink:
		if link, err = os.Readlink(p); err != nil {
			return nil
		}
	case d.Type().IsRegular():
		if body, err = os.Open(p); err != nil {
			return nil
		}
		defer body.Close()
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	h.Name = strings.TrimPrefix(p, "/")
	if d.IsDir() {
		h.Name += "/"
	}
	if err := tw.WriteHeader(h); err != nil || body == nil {
		return err
	}
	_, err = io.CopyN(tw, body, h.Size)
	return err
}
