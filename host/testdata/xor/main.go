// Command xor is a driver that stores every file's content transformed, entry
// by entry, and gives it back so.
package main

import (
	"io"
	"os"
	"path"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

type driver struct{}

func init() { guest.Register(driver{}) }
func main() {}

func (driver) Info() guest.Info { return guest.Info{Name: "xor", Version: "1", DiskFormat: 1} }

func (driver) Create(c *guest.Call) error { return c.MakeDir(0, c.ID, 0o755) }

func (d driver) CreateReadWrite(c *guest.Call) error         { return d.Create(c) }
func (driver) Remove(c *guest.Call) error                    { return c.TreeRemove(0, c.ID) }
func (driver) Put(*guest.Call) error                         { return nil }
func (driver) Exists(c *guest.Call) (bool, error)            { return c.DirExists(c.ID) }
func (driver) Status(*guest.Call) ([]guest.Pair, error)      { return nil, nil }
func (driver) GetMetadata(*guest.Call) ([]guest.Pair, error) { return nil, nil }
func (driver) Cleanup(*guest.Call) error                     { return nil }
func (driver) Get(c *guest.Call) (guest.Spec, error)         { return guest.Dir(c.ID), nil }

func xor(b []byte) []byte {
	for i := range b {
		b[i] ^= 0x5a
	}
	return b
}

func (driver) ApplyDiff(c *guest.Call) error {
	base, err := c.OpenBase(c.ID)
	if err != nil {
		return err
	}
	buf := make([]byte, 10_000)
	e := c.Entries()
	for e.Next() {
		if e.Kind != abi.EntryFile || e.Size == 0 {
			e.Apply(base)
			continue
		}
		p := path.Join("/", c.ID, string(e.Path))
		if err := os.MkdirAll(path.Dir(p), 0o755); err != nil {
			return err
		}
		f, err := os.Create(p)
		if err != nil {
			return err
		}
		for {
			n, err := e.Read(buf)
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			if _, err := f.Write(xor(buf[:n])); err != nil {
				return err
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
		e.Skip()
	}
	return e.Err()
}

// content gives a stored file back piece by piece.
func content(id, name string) (func() ([]byte, error), error) {
	f, err := os.Open(path.Join("/", id, name))
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 30_000)
	return func() ([]byte, error) {
		n, err := f.Read(buf)
		if err == io.EOF {
			return nil, f.Close()
		}
		return xor(buf[:n]), err
	}, nil
}

func (driver) ReadFile(c *guest.Call) error {
	next, err := content(c.ID, c.Name)
	for err == nil {
		var b []byte
		if b, err = next(); err != nil || len(b) == 0 {
			break
		}
		err = c.StreamWrite(b)
	}
	return err
}

func (driver) Diff(c *guest.Call) error {
	base, err := c.OpenBase(c.ID)
	if err != nil {
		return err
	}
	return walk(c, base, "")
}

func walk(c *guest.Call, base guest.Base, dir string) error {
	entries, err := os.ReadDir(path.Join("/", c.ID, dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		fi, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case fi.Mode().IsRegular() && fi.Size() > 0:
			next, err := content(c.ID, p)
			if err != nil {
				return err
			}
			if err := c.EmitOwn(base, []byte(p), []byte(p), next); err != nil {
				return err
			}
		default:
			if err := c.Emit(base, []byte(p)); err != nil {
				return err
			}
			if fi.IsDir() {
				if err := walk(c, base, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
