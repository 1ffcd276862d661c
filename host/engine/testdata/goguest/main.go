// Command goguest is a driver in Go that exercises package os and misbehaves
// on demand; the engine's tests build it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

type driver struct{}

func init() { guest.Register(driver{}) }
func main() {}

// kept outlives the call that opened it, against the rules.
var kept, keptDir *os.File

func (driver) Info() guest.Info { return guest.Info{Name: "goguest"} }

// Create keeps a file and a directory open.
func (driver) Create(*guest.Call) (err error) {
	if kept, err = os.Create("/kept"); err != nil {
		return err
	}
	if _, err = kept.WriteString("first"); err != nil {
		return err
	}
	keptDir, err = os.Open("/")
	return err
}

// CreateReadWrite tries to use them.
func (driver) CreateReadWrite(*guest.Call) error {
	if _, err := kept.WriteString("second"); err == nil {
		return errors.New("a file of an earlier call could be written")
	}
	if list, err := keptDir.ReadDir(-1); err == nil {
		return fmt.Errorf("a directory of an earlier call could be read: %v", list)
	}
	if _, err := os.ReadDir("/"); err != nil {
		return fmt.Errorf("the root: %w", err)
	}
	kept.Close()
	keptDir.Close()
	return nil
}

// Remove grabs memory until there is no more.
func (driver) Remove(*guest.Call) error {
	var all [][]byte
	for {
		all = append(all, make([]byte, 1<<20))
	}
}

// Get opens files until it may not.
func (driver) Get(*guest.Call) (guest.Spec, error) {
	for n := 0; ; n++ {
		if _, err := os.Open("/"); err != nil {
			return guest.Dir(fmt.Sprint(n)), nil
		}
	}
}

func (driver) Put(*guest.Call) error { panic("boom") }

// Exists sleeps.
func (driver) Exists(*guest.Call) (bool, error) {
	time.Sleep(time.Hour)
	return true, nil
}

// Status reports what each file operation did.
func (driver) Status(*guest.Call) (out []guest.Pair, _ error) {
	for _, op := range []struct {
		name string
		do   func() (string, error)
	}{
		{"mkdir", func() (string, error) { return "", os.Mkdir("/d", 0o755) }},
		{"mkdir again", func() (string, error) { return "", os.Mkdir("/d", 0o755) }},
		{"write", func() (string, error) { return "", os.WriteFile("/d/f", []byte("hello world"), 0o644) }},
		{"read", func() (string, error) { b, err := os.ReadFile("/d/f"); return string(b), err }},
		{"exclusive", func() (string, error) {
			_, err := os.OpenFile("/d/f", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			return "", err
		}},
		{"append", func() (string, error) {
			f, err := os.OpenFile("/d/f", os.O_APPEND|os.O_RDWR, 0)
			if err != nil {
				return "", err
			}
			defer f.Close()
			if _, err := f.WriteString("!"); err != nil {
				return "", err
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return "", err
			}
			b, err := io.ReadAll(f)
			return string(b), err
		}},
		{"at", func() (string, error) {
			f, err := os.OpenFile("/d/f", os.O_RDWR, 0)
			if err != nil {
				return "", err
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("W"), 6); err != nil {
				return "", err
			}
			b := make([]byte, 5)
			_, err = f.ReadAt(b, 6)
			return string(b), errors.Join(err, f.Truncate(9), f.Sync())
		}},
		{"truncate", func() (string, error) {
			err := os.Truncate("/d/f", 5)
			b, _ := os.ReadFile("/d/f")
			return string(b), err
		}},
		{"symlink", func() (string, error) { return "", os.Symlink("f", "/d/l") }},
		{"readlink", func() (string, error) { return os.Readlink("/d/l") }},
		{"lstat", func() (string, error) {
			fi, err := os.Lstat("/d/l")
			if err != nil {
				return "", err
			}
			return fi.Mode().Type().String(), nil
		}},
		{"stat", func() (string, error) {
			fi, err := os.Stat("/d/l")
			if err != nil {
				return "", err
			}
			return fmt.Sprint(fi.Size()), nil
		}},
		{"chtimes", func() (string, error) {
			at := time.Unix(1e9, 0)
			if err := os.Chtimes("/d/f", at, at); err != nil {
				return "", err
			}
			fi, err := os.Stat("/d/f")
			return fmt.Sprint(fi.ModTime().Unix()), err
		}},
		{"link", func() (string, error) { return "", os.Link("/d/f", "/d/h") }},
		{"rename", func() (string, error) { return "", os.Rename("/d/h", "/d/g") }},
		{"rename across", func() (string, error) { return "", os.Rename("/d/g", "/tmp/g") }},
		{"many names", func() (string, error) {
			for i := range 30 {
				if err := os.WriteFile(fmt.Sprintf("/d/n%02d", i), nil, 0o600); err != nil {
					return "", err
				}
			}
			list, err := os.ReadDir("/d")
			var names []string
			for _, e := range list {
				names = append(names, e.Name())
			}
			return strings.Join(names, " "), err
		}},
		{"root", func() (string, error) {
			list, err := os.ReadDir("/")
			return fmt.Sprint(len(list)), err
		}},
		{"scratch", func() (string, error) {
			return "", os.WriteFile("/tmp/x", []byte("scratch"), 0o600)
		}},
		{"remove", func() (string, error) { return "", os.Remove("/d/g") }},
		{"remove full", func() (string, error) { return "", os.Remove("/d") }},
		{"remove all", func() (string, error) { return "", os.RemoveAll("/d") }},
		{"gone", func() (string, error) { _, err := os.Stat("/d"); return "", err }},
		{"above", func() (string, error) { _, err := os.ReadFile("/../../etc/passwd"); return "", err }},
		{"arguments", func() (string, error) { return fmt.Sprint(len(os.Args), len(os.Environ())), nil }},
	} {
		said, err := op.do()
		if err != nil {
			said = strings.TrimSpace(said + " error: " + errors.Unwrap(err).Error())
		}
		out = append(out, guest.Pair{Key: op.name, Value: said})
	}
	return out, nil
}

func (driver) GetMetadata(c *guest.Call) ([]guest.Pair, error) {
	fmt.Print("one\ntwo")
	fmt.Fprint(os.Stderr, strings.Repeat("x", 5000))
	b, err := c.ReadFile("small")
	if err != abi.NotFound {
		return nil, fmt.Errorf("a missing file: %v", err)
	}
	if err := c.WriteFile("small", []byte("content")); err != nil {
		return nil, err
	}
	b, err = c.ReadFile("small")
	return []guest.Pair{{Key: "small", Value: string(b)}}, err
}

func (driver) Cleanup(*guest.Call) error { return nil }
