package main

import (
	"os"
	"strings"
	"time"
	"unsafe"

	"github.com/bulkhead/bulkhead/abi"
)

type attack func(c *call) int32

// attacks is what this driver can do.
func attacks() map[string]attack {
	all := map[string]attack{}
	for _, add := range []func(map[string]attack){escapes, seals, limits, protocol, applying, emitting, lies, budgets, handles, trees, races, repairs} {
		add(all)
	}
	return all
}

// in makes a directory for the attack and returns its path, absolute as WASI
// wants it. outside leads from there to the directory beside the home.
func in(c *call) string {
	_ = os.Mkdir("/l", 0o755)
	p := "/l/" + c.id
	_ = os.Mkdir(p, 0o755)
	return p
}

const outside = "../../../canary"

// through makes a link at e and gives what use of it comes to.
func through(target string, use func(p string) error) attack {
	return func(c *call) int32 {
		p := in(c) + "/e"
		to := strings.ReplaceAll(target, "$target", c.opts["target"])
		if err := os.Symlink(to, p); err != nil {
			return code(err)
		}
		return code(use(p))
	}
}

// throughImport does the same with an import, which takes the path without
// the leading slash.
func throughImport(target, rest string, use func(ptr, n uint32) int32) attack {
	return func(c *call) int32 {
		p := in(c) + "/e"
		if err := os.Symlink(target, p); err != nil {
			return code(err)
		}
		return use(str(p[1:] + rest))
	}
}

func read(p string) error     { _, err := os.ReadFile(p); return err }
func readIn(p string) error   { return read(p + "/secret") }
func write(p string) error    { return os.WriteFile(p, []byte("owned"), 0o644) }
func writeIn(p string) error  { return write(p + "/new") }
func listed(p string) error   { _, err := os.ReadDir(p); return err }
func mkdirIn(p string) error  { return os.Mkdir(p+"/new", 0o755) }
func removeIn(p string) error { return os.Remove(p + "/secret") }

// rawOpen opens a path just as it is: package os would clean it.
func rawOpen(path string, fd int32) attack {
	return func(*call) int32 {
		b := []byte(path)
		ptr, n := at(b)
		var opened int32
		if pathOpen(fd, 1, ptr, n, 0, 2, 2, 0, unsafe.Pointer(&opened)) == 0 {
			return 0
		}
		return int32(abi.Denied)
	}
}

func escapes(all map[string]attack) {
	for name, target := range map[string]string{"rel": outside, "abs": "$target", "proc-root": "/proc/self/root$target", "proc-cwd": "/proc/self/cwd", "neighbour": "../../../honest"} {
		all["link-"+name+"-read"] = through(target, readIn)
		all["link-"+name+"-write"] = through(target, writeIn)
		all["link-"+name+"-list"] = through(target, listed)
		all["link-"+name+"-mkdir"] = through(target, mkdirIn)
		all["link-"+name+"-remove"] = through(target, removeIn)
		all["link-"+name+"-link"] = through(target, func(p string) error { return os.Link(p+"/secret", p+"-stolen") })
		all["link-"+name+"-link-out"] = through(target, func(p string) error { return os.Link("/l/peer/d/g", p+"/new") })
		all["link-"+name+"-rename"] = through(target, func(p string) error { return os.Rename(p+"/secret", p+"-stolen") })
		all["link-"+name+"-symlink"] = through(target, func(p string) error { return os.Symlink("x", p+"/new") })
		all["link-"+name+"-times"] = through(target, func(p string) error { return os.Chtimes(p+"/secret", time.Unix(1, 0), time.Unix(1, 0)) })
		all["link-"+name+"-cut"] = through(target, func(p string) error { return os.Truncate(p+"/secret", 0) })
	}
	all["link-proc-fd"] = through("/proc/self/fd/3", read)
	all["link-last-write"] = through(outside+"/secret", write)
	all["link-chain"] = func(c *call) int32 {
		p := in(c)
		_ = os.Symlink("..", p+"/a")
		_ = os.Symlink("a/../../../canary", p+"/b")
		return code(readIn(p + "/b"))
	}
	all["two-calls-make"] = func(c *call) int32 { return code(os.Symlink(outside, in(c)+"/e")) }
	all["two-calls-use"] = func(*call) int32 { return code(writeIn("/l/x.two-calls-make/e")) }
	all["two-calls-base"] = func(*call) int32 { return int32(baseOpen(str("l/x.two-calls-make/e"))) }

	all["import-chmod"] = throughImport(outside, "/secret", func(p, n uint32) int32 { return chmod(0, p, n, 0o777) })
	all["import-mkdir"] = throughImport(outside, "/new", func(p, n uint32) int32 { return makeDir(0, p, n, 0o777) })
	all["import-lchown"] = throughImport(outside, "/secret", func(p, n uint32) int32 { return lchown(0, p, n, 7, 7) })
	all["import-lutimes"] = throughImport(outside, "/secret", func(p, n uint32) int32 { return lutimes(0, p, n, 1, 0) })
	all["import-mknod"] = throughImport(outside, "/new", func(p, n uint32) int32 { return mknod(0, p, n, 0o10644, 0, 0) })
	all["import-remove"] = throughImport(outside, "/secret", func(p, n uint32) int32 { return treeRemove(0, p, n) })
	all["import-copy-from"] = throughImport(outside, "/secret", func(p, n uint32) int32 {
		dp, dn := str("stolen")
		return treeCopy(0, p, n, 0, dp, dn)
	})
	all["import-copy-to"] = throughImport(outside, "/new", func(p, n uint32) int32 {
		sp, sn := str("l/peer")
		return treeCopy(0, sp, sn, 0, p, n)
	})
	all["import-usage"] = throughImport(outside, "", func(p, n uint32) int32 { return int32(treeUsage(0, p, n)) })
	all["import-base"] = throughImport(outside, "", func(p, n uint32) int32 { return int32(baseOpen(p, n)) })
	all["import-link"] = throughImport(outside, "/secret", func(p, n uint32) int32 {
		tp, tn := str("stolen")
		return link(0, p, n, tp, tn)
	})
	all["import-rename-out"] = throughImport(outside, "/new", func(p, n uint32) int32 {
		fp, fn := str("l/peer")
		return rename(0, fp, fn, p, n)
	})
	all["import-xattr"] = throughImport(outside, "/secret", func(p, n uint32) int32 {
		np, nn := str("user.x")
		return xattrSet(0, p, n, np, nn, np, nn)
	})
	all["import-chmod-link"] = throughImport(outside+"/secret", "", func(p, n uint32) int32 { return chmod(0, p, n, 0o777) })

	for name, p := range map[string]string{
		"dotdot": "../canary", "abs": "/l/peer", "dot": "l/./peer", "slash": "l/peer/", "empty": "l//peer",
		"inner": "l/peer/../../..", "nul": "l/peer\x00", "long": strings.Repeat("a/", 2048) + "a",
	} {
		all["base-"+name] = func(*call) int32 { return int32(baseOpen(str(p))) }
		all["mkdir-"+name] = func(*call) int32 {
			q, n := str(p)
			return makeDir(0, q, n, 0o755)
		}
	}
	all["raw-dotdot"] = rawOpen("../canary/secret", 3)
	all["raw-inner-dotdot"] = rawOpen("l/../../canary/secret", 3)
	all["raw-nul"] = rawOpen("l/peer\x00", 3)
	all["raw-long"] = rawOpen(strings.Repeat("a/", 2048)+"a", 3)
	all["raw-bad-fd"] = rawOpen("l", 99)
	all["rename-out"] = func(c *call) int32 { return code(os.Rename(in(c), "/../canary/in")) }
	all["tmp-link"] = func(*call) int32 {
		if err := os.Symlink("../..", "/tmp/up"); err != nil {
			return code(err)
		}
		return code(listed("/tmp/up"))
	}
	all["fifo-open"] = func(c *call) int32 {
		p := in(c) + "/fifo"
		q, n := str(p[1:])
		if r := mknod(0, q, n, 0o10644, 0, 0); r != 0 {
			return r
		}
		return code(read(p))
	}
}
