package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// archive is what an image archive or directory holds, by the digest of each
// file's uncompressed content. It knows nothing of formats: a layer is a file
// whose content has the layer's digest.
type archive struct {
	blobs map[string]blob
	// order lists the layers of the first image configuration found.
	order []string
}

type blob struct {
	open func() (io.ReadCloser, error) // uncompressed
	raw  func() (io.ReadCloser, error) // as it came
	size int64                         // uncompressed
}

// openArchive reads all of an archive once.
func openArchive(path string) (*archive, error) {
	a := &archive{blobs: map[string]blob{}}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if fi.IsDir() {
		err = a.addDir(path)
	} else {
		err = a.addTar(path)
	}
	if err == nil && len(a.order) == 0 {
		err = errors.New("no image configuration in it")
	}
	return a, err
}

func (a *archive) addDir(dir string) error {
	return filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return a.add(func() (io.ReadCloser, error) { return os.Open(p) })
	})
}

func (a *archive) addTar(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := a.add(func() (io.ReadCloser, error) { return section(path, at, h.Size) }); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

func section(path string, at, size int64) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, at, size), f}, nil
}

func (a *archive) add(open func() (io.ReadCloser, error)) error {
	plain := func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return uncompressed(r)
	}
	r, err := plain()
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	var head bytes.Buffer
	n, err := io.Copy(io.MultiWriter(h, &limited{w: &head, left: 1 << 20}), r)
	if err != nil {
		return err
	}
	a.blobs["sha256:"+hex.EncodeToString(h.Sum(nil))] = blob{open: plain, raw: open, size: n}
	if n <= 1<<20 {
		a.config(head.Bytes())
	}
	return nil
}

// config takes the list of layers out of an image configuration.
func (a *archive) config(b []byte) {
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if len(a.order) == 0 && json.Unmarshal(b, &c) == nil {
		a.order = c.RootFS.DiffIDs
	}
}

// extract writes a layer as it came to a file.
func (a *archive) extract(digest, path string) error {
	b, ok := a.blobs[digest]
	if !ok {
		return fmt.Errorf("no layer %s", digest)
	}
	r, err := b.raw()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// compare reads the configuration and each layer of out beside what came in.
func compare(in, out *archive, id string) (layers int, total int64, err error) {
	for i, digest := range append([]string{id}, in.order...) {
		a, ok := in.blobs[digest]
		if !ok {
			return 0, 0, fmt.Errorf("%s is not in the image that was loaded", digest)
		}
		b, ok := out.blobs[digest]
		if !ok {
			return 0, 0, fmt.Errorf("%s is not in what was saved", digest)
		}
		if err := same(a, b); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", digest, err)
		}
		if i > 0 {
			layers++
			total += a.size
		}
	}
	return layers, total, nil
}

func same(a, b blob) error {
	ra, err := a.open()
	if err != nil {
		return err
	}
	defer ra.Close()
	rb, err := b.open()
	if err != nil {
		return err
	}
	defer rb.Close()
	bufA, bufB := make([]byte, 1<<16), make([]byte, 1<<16)
	for at := int64(0); ; at += int64(len(bufA)) {
		na, ea := io.ReadFull(ra, bufA)
		nb, eb := io.ReadFull(rb, bufB)
		if !bytes.Equal(bufA[:na], bufB[:nb]) {
			return fmt.Errorf("differs from byte %d on", at)
		}
		if ea != nil || eb != nil {
			return realError(ea, eb)
		}
	}
}

func realError(errs ...error) error {
	for _, err := range errs {
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
	}
	return nil
}

// uncompressed looks at the first bytes, as every reader of images does.
func uncompressed(r io.ReadCloser) (io.ReadCloser, error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	all := io.MultiReader(bytes.NewReader(head[:n]), r)
	switch {
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		z, err := gzip.NewReader(all)
		return both{z, r}, err
	case n == 4 && bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstd(all, r)
	}
	return both{all, r}, nil
}

// zstd uses the command, which whoever has such an image has too.
func zstd(r io.Reader, c io.Closer) (io.ReadCloser, error) {
	cmd := exec.Command("zstd", "-dc")
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	return both{out, closers{c, waiter{cmd}}}, err
}

type both struct {
	io.Reader
	io.Closer
}

type closers []io.Closer

func (c closers) Close() error {
	var err error
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}

type waiter struct{ cmd *exec.Cmd }

func (w waiter) Close() error { return w.cmd.Wait() }

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
