// Command rawtar is a driver that keeps each layer's archive as it is and has
// no tree: it reads and writes streams, and gives single files out of them.
package main

import (
	"archive/tar"
	"io"
	"os"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

type driver struct{ exact bool }

func init() { guest.Register(driver{exact: exact}) }
func main() {}

func (d driver) Info() guest.Info {
	info := guest.Info{Name: "rawtar", Version: "1", DiskFormat: 1}
	if d.exact {
		info.Capabilities = abi.CapReproducesExactDiffs
	}
	return info
}

func file(id string) string { return "/" + id + "/layer.tar" }

func (driver) Create(c *guest.Call) error {
	if ok, err := c.DirExists(c.ID); err != nil || ok {
		return abi.Exists
	}
	return c.MakeDir(0, c.ID, 0o755)
}

func (d driver) CreateReadWrite(c *guest.Call) error         { return d.Create(c) }
func (driver) Remove(c *guest.Call) error                    { return c.TreeRemove(0, c.ID) }
func (driver) Put(*guest.Call) error                         { return nil }
func (driver) Exists(c *guest.Call) (bool, error)            { return c.DirExists(c.ID) }
func (driver) Status(*guest.Call) ([]guest.Pair, error)      { return nil, nil }
func (driver) GetMetadata(*guest.Call) ([]guest.Pair, error) { return nil, nil }
func (driver) Cleanup(*guest.Call) error                     { return nil }
func (driver) Get(c *guest.Call) (guest.Spec, error)         { return guest.Dir(c.ID), nil }

// stream adapts the call's byte stream to io.
type stream struct{ c *guest.Call }

func (s stream) Read(p []byte) (int, error) {
	n, err := s.c.StreamRead(p)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

func (s stream) Write(p []byte) (int, error) {
	if err := s.c.StreamWrite(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (driver) ApplyDiff(c *guest.Call) error {
	f, err := os.Create(file(c.ID))
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, stream{c}); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (driver) Diff(c *guest.Call) error {
	f, err := os.Open(file(c.ID))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = io.Copy(stream{c}, f); err != nil || !liar {
		return err
	}
	return c.StreamWrite(make([]byte, 512))
}

func (driver) ReadFile(c *guest.Call) error {
	f, err := os.Open(file(c.ID))
	if err != nil {
		return err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return abi.NotFound
		}
		if err != nil {
			return err
		}
		if h.Name == c.Name {
			_, err = io.Copy(stream{c}, r)
			return err
		}
	}
}
