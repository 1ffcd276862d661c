package main

import (
	"os"
	"time"

	"github.com/bulkhead/bulkhead/abi"
)

// The layer sealed lies at l/sealed and holds the file f and the directory d
// with the file d/g. Every one of these tries to change it from a call that is
// about another layer.
func seals(all map[string]attack) {
	const file, dir, base = "l/sealed/f", "l/sealed/d", "l/sealed"
	wasi := func(name string, do func(own string) error) {
		all["sealed-"+name] = func(c *call) int32 { return code(do(in(c))) }
	}
	direct := func(name string, do func() int32) {
		all["sealed-"+name] = func(c *call) int32 {
			_ = os.WriteFile(in(c)+"/own", []byte("own"), 0o644)
			return do()
		}
	}
	wasi("open-write", func(string) error { return shut(os.OpenFile("/"+file, os.O_WRONLY, 0)) })
	wasi("open-append", func(string) error { return shut(os.OpenFile("/"+file, os.O_RDWR|os.O_APPEND, 0)) })
	wasi("open-trunc", func(string) error { return shut(os.OpenFile("/"+file, os.O_RDWR|os.O_TRUNC, 0)) })
	wasi("create", func(string) error { return write("/" + base + "/new") })
	wasi("create-deep", func(string) error { return write("/" + dir + "/new") })
	wasi("truncate", func(string) error { return os.Truncate("/"+file, 0) })
	wasi("mkdir", func(string) error { return os.Mkdir("/"+base+"/new", 0o755) })
	wasi("unlink", func(string) error { return os.Remove("/" + file) })
	wasi("rmdir", func(string) error { return os.Remove("/" + dir) })
	wasi("rename-away", func(own string) error { return os.Rename("/"+file, own+"/stolen") })
	wasi("rename-base", func(own string) error { return os.Rename("/"+base, own+"/stolen") })
	wasi("rename-above", func(string) error { return os.Rename("/l", "/m") })
	wasi("rename-over", func(own string) error {
		if err := write(own + "/o"); err != nil {
			return err
		}
		return os.Rename(own+"/o", "/"+file)
	})
	wasi("link-from", func(own string) error { return os.Link("/"+file, own+"/alias") })
	wasi("link-into", func(own string) error {
		if err := write(own + "/o"); err != nil {
			return err
		}
		return os.Link(own+"/o", "/"+base+"/new")
	})
	wasi("symlink-into", func(string) error { return os.Symlink("x", "/"+base+"/new") })
	wasi("utimes", func(string) error { return os.Chtimes("/"+file, time.Unix(1, 0), time.Unix(1, 0)) })
	wasi("by-symlink", func(own string) error {
		_ = os.Symlink("../sealed", own+"/s")
		return write(own + "/s/f")
	})
	wasi("read-then-truncate", func(string) error { return reopened("/"+file, func(f *os.File) error { return f.Truncate(0) }) })
	wasi("read-then-write", func(string) error {
		return reopened("/"+file, func(f *os.File) error { _, err := f.Write([]byte("x")); return err })
	})

	p := func(s string) (uint32, uint32) { return str(s) }
	direct("make-dir", func() int32 { q, n := p(base + "/new"); return makeDir(0, q, n, 0o755) })
	direct("chmod", func() int32 { q, n := p(file); return chmod(0, q, n, 0o777) })
	direct("chmod-base", func() int32 { q, n := p(base); return chmod(0, q, n, 0o777) })
	direct("lchown", func() int32 { q, n := p(file); return lchown(0, q, n, 9, 9) })
	direct("lutimes", func() int32 { q, n := p(dir); return lutimes(0, q, n, 1, 0) })
	direct("mknod", func() int32 { q, n := p(base + "/new"); return mknod(0, q, n, 0o10644, 0, 0) })
	direct("link-out", func() int32 { q, n := p(file); t, m := p("stolen"); return link(0, q, n, t, m) })
	direct("link-in", func() int32 { q, n := p("l/peer/f"); t, m := p(base + "/new"); return link(0, q, n, t, m) })
	direct("rename-import", func() int32 { q, n := p(file); t, m := p("stolen"); return rename(0, q, n, t, m) })
	direct("rename-base-import", func() int32 { q, n := p(base); t, m := p("stolen"); return rename(0, q, n, t, m) })
	direct("rename-above-import", func() int32 { q, n := p("l"); t, m := p("m"); return rename(0, q, n, t, m) })
	direct("rename-over-import", func() int32 { q, n := p("l/peer/f"); t, m := p(file); return rename(0, q, n, t, m) })
	direct("xattr-set", func() int32 { q, n := p(file); k, m := p("user.x"); return xattrSet(0, q, n, k, m, k, m) })
	direct("xattr-remove", func() int32 { q, n := p(file); k, m := p("user.x"); return xattrRemove(0, q, n, k, m) })
	direct("tree-remove", func() int32 { q, n := p(dir); return treeRemove(0, q, n) })
	direct("tree-remove-base", func() int32 { q, n := p(base); return treeRemove(0, q, n) })
	direct("tree-remove-above", func() int32 { q, n := p("l"); return treeRemove(0, q, n) })
	direct("tree-copy-into", func() int32 { s, k := p("l/peer"); q, n := p(base + "/new"); return treeCopy(0, s, k, 0, q, n) })
	direct("by-base", func() int32 {
		h := baseOpen(p(base))
		q, n := p("f")
		return chmod(uint64(h), q, n, 0o777)
	})
	direct("by-base-itself", func() int32 { h := baseOpen(p(base)); return chmod(uint64(h), 0, 0, 0o777) })

	// A handle names the directory, wherever it is moved; a name that then
	// leads elsewhere must not be taken for it.
	all["moved-base"] = func(c *call) int32 {
		own := in(c)[1:]
		q, n := p(own + "/d")
		makeDir(0, q, n, 0o755)
		h := baseOpen(q, n)
		t, m := p(own + "/e")
		if r := rename(0, q, n, t, m); r != 0 {
			return r
		}
		k, l := p("new")
		return makeDir(uint64(h), k, l, 0o755)
	}
	// sealed has a second name for its file twin, which it made before it was
	// sealed: l/twin. No inode is changed by that name.
	const twin = "l/twin"
	direct("twin-chmod", func() int32 { q, n := p(twin); return chmod(0, q, n, 0o777) })
	direct("twin-lchown", func() int32 { q, n := p(twin); return lchown(0, q, n, 9, 9) })
	direct("twin-lutimes", func() int32 { q, n := p(twin); return lutimes(0, q, n, 1, 0) })
	direct("twin-xattr", func() int32 { q, n := p(twin); k, m := p("user.x"); return xattrSet(0, q, n, k, m, k, m) })
	wasi("twin-write", func(string) error { return shut(os.OpenFile("/"+twin, os.O_WRONLY, 0)) })
	wasi("twin-trunc", func(string) error { return os.Truncate("/"+twin, 0) })
	wasi("twin-utimes", func(string) error { return os.Chtimes("/"+twin, time.Unix(1, 0), time.Unix(1, 0)) })
	all["make-twin"] = func(*call) int32 {
		q, n := p("l/sealed/twin")
		t, m := p(twin)
		return link(0, q, n, t, m)
	}

	all["setid-mknod"] = func(c *call) int32 { q, n := p(in(c)[1:] + "/suid"); return mknod(0, q, n, 0o104755, 0, 0) }
	all["setid-mkdir"] = func(c *call) int32 { q, n := p(in(c)[1:] + "/sgid"); return makeDir(0, q, n, 0o2755) }
	all["setid-chmod"] = func(c *call) int32 { q, n := p(in(c)[1:]); return chmod(0, q, n, 0o4755) }
	all["device"] = func(c *call) int32 { q, n := p(in(c)[1:] + "/mem"); return mknod(0, q, n, 0o20666, 1, 1) }
	all["whiteout"] = func(c *call) int32 { q, n := p(in(c)[1:] + "/wh"); return mknod(0, q, n, 0o20666, 0, 0) }
	all["xattr-security"] = func(c *call) int32 {
		q, n := p(in(c)[1:])
		k, m := p("security.capability")
		return xattrSet(0, q, n, k, m, k, m)
	}
	all["xattr-bare"] = func(c *call) int32 { q, n := p(in(c)[1:]); k, m := p("nodots"); return xattrSet(0, q, n, k, m, k, m) }

	// What only reads may not write.
	all["readonly-wasi"] = func(*call) int32 { return code(write("/l/peer/new")) }
	all["readonly-import"] = func(*call) int32 { q, n := p("l/peer/new"); return makeDir(0, q, n, 0o755) }
	all["readonly-remove"] = func(*call) int32 { q, n := p("l/peer"); return treeRemove(0, q, n) }
	all["keep-base"] = func(*call) int32 { kept = baseOpen(str("l/peer")); return ignored(kept) }
	all["stale-base"] = func(*call) int32 { q, n := p("f"); return chmod(uint64(kept), q, n, 0o777) }
	all["forged-base"] = func(*call) int32 { q, n := p("f"); return chmod(1<<40|1, q, n, 0o777) }
	all["keep-file"] = func(c *call) (r int32) {
		f, err := os.Create(in(c) + "/kept")
		keptFile = f
		return code(err)
	}
	all["stale-file"] = func(*call) int32 {
		if keptFile == nil {
			return said(abi.IO, "not the same instance")
		}
		_, err := keptFile.Write([]byte("late"))
		return code(err)
	}
}

// kept and keptFile outlive the call that opened them, against the rules.
var (
	kept     int64
	keptFile *os.File
)

func ignored(n int64) int32 {
	if n < 0 {
		return int32(n)
	}
	return 0
}

func shut(f *os.File, err error) error {
	if err == nil {
		err = f.Close()
	}
	return err
}

func reopened(p string, do func(*os.File) error) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f)
}
