package main

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// budgets try to store more than there may be.
func budgets(all map[string]attack) {
	// grow does something over and over, until it fails or it has been a
	// million times.
	grow := func(name string, step func(dir string, i int) error) {
		all["budget-"+name] = func(c *call) int32 {
			dir := in(c)
			for i := range 1_000_000 {
				if err := step(dir, i); err != nil {
					return code(err)
				}
			}
			return 0
		}
	}
	numbered := func(dir string, i int) string { return fmt.Sprintf("%s/%d", dir, i) }
	refused := func(r int32) error {
		if r == 0 {
			return nil
		}
		return coded(r)
	}
	onFile := func(name string, flags int, step func(f *os.File, i int) error) {
		all["budget-"+name] = func(c *call) int32 {
			f, err := os.OpenFile(in(c)+"/f", os.O_CREATE|os.O_RDWR|flags, 0o600)
			for i := 0; err == nil && i < 1_000_000; i++ {
				err = step(f, i)
			}
			return code(err)
		}
	}
	some := make([]byte, 64<<10)
	onFile("write", 0, func(f *os.File, _ int) error { _, err := f.Write(some); return err })
	onFile("append", os.O_APPEND, func(f *os.File, _ int) error { _, err := f.Write(some[:100]); return err })
	onFile("append-at", os.O_APPEND, func(f *os.File, _ int) error {
		return pwrite(f, some[:100])
	})
	onFile("sparse", 0, func(f *os.File, _ int) error { return f.Truncate(1 << 62) })
	onFile("far", 0, func(f *os.File, i int) error { _, err := f.WriteAt(some[:1], 1<<(20+i%40)); return err })
	grow("many-small", func(dir string, i int) error { return os.WriteFile(numbered(dir, i), some[:1], 0o600) })
	grow("files", func(dir string, i int) error { return shut(os.Create(numbered(dir, i))) })
	grow("dirs", func(dir string, i int) error {
		q, n := str(numbered(dir, i)[1:])
		return refused(makeDir(0, q, n, 0o755))
	})
	grow("symlinks", func(dir string, i int) error { return os.Symlink("nowhere", numbered(dir, i)) })
	grow("nodes", func(dir string, i int) error {
		q, n := str(numbered(dir, i)[1:])
		return refused(mknod(0, q, n, 0o10644, 0, 0))
	})
	grow("links", func(dir string, i int) error {
		if i == 0 {
			return write(dir + "/f")
		}
		return os.Link(dir+"/f", numbered(dir, i))
	})
	grow("copies", func(dir string, i int) error {
		q, n := str("l/peer")
		k, m := str(numbered(dir, i)[1:])
		return refused(treeCopy(0, q, n, 0, k, m))
	})
	grow("deleted", func(dir string, i int) error {
		f, err := os.Create(dir + "/f")
		if err == nil {
			if _, err = f.Write(some); err == nil {
				err = os.Remove(dir + "/f")
			}
		}
		return err
	})
	grow("scratch", func(_ string, i int) error { return os.WriteFile(numbered("/tmp", i), some, 0o600) })
	grow("scratch-files", func(_ string, i int) error { return shut(os.Create(numbered("/tmp", i))) })
	all["budget-apply"] = func(c *call) int32 {
		in(c)
		honest := *c
		return honest.apply()
	}
	all["budget-credit"] = func(c *call) int32 {
		dir := in(c)
		for range 300 {
			for _, name := range []string{"/a", "/b"} {
				if err := os.WriteFile(dir+name, some, 0o600); err != nil {
					return code(err)
				}
			}
			if err := os.Truncate(dir+"/a", 1); err != nil {
				return code(err)
			}
			if err := os.Link(dir+"/a", dir+"/c"); err != nil {
				return code(err)
			}
			_ = os.Rename(dir+"/a", dir+"/c") // one file: both stay
			_ = os.Rename(dir+"/b", dir+"/a")
			_ = os.Remove(dir + "/a")
			_ = os.Remove(dir + "/c")
			_ = os.Remove(dir + "/c")
		}
		return 0
	}
	all["budget-attributes"] = func(c *call) int32 {
		q, n := str(in(c)[1:])
		v, m := at(make([]byte, 2000))
		for i := range 1000 {
			k, l := str(fmt.Sprintf("user.%d", i))
			if r := xattrSet(0, q, n, k, l, v, m); r != 0 {
				return r
			}
		}
		return 0
	}
	// What the attacks made is removed again.
	all["tidy"] = func(*call) int32 {
		names, err := os.ReadDir("/l")
		if err != nil {
			return code(err)
		}
		for _, e := range names {
			if name := e.Name(); len(name) > 2 && name[:2] == "x." {
				q, n := str("l/" + name)
				if r := treeRemove(0, q, n); r != 0 {
					return r
				}
			}
		}
		return 0
	}
}

// coded is an answer of an import as an error.
type coded int32

func (c coded) Error() string { return fmt.Sprint("code ", int32(c)) }

// pwrite writes at the beginning of a file: package os will not do that to one
// that was opened to append.
func pwrite(f *os.File, b []byte) error {
	p, n := at(b)
	vector := [2]uint32{p, n}
	var done uint32
	if errno := fdPwrite(int32(f.Fd()), unsafe.Pointer(&vector), 1, 0, unsafe.Pointer(&done)); errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}
