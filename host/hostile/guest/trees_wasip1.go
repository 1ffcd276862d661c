package main

import (
	"os"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/abi"
)

// trees attacks by the shape of what it makes, and the home itself.
func trees(all map[string]attack) {
	own := func(name string, use func(p, n uint32) int32) {
		all["home-"+name] = func(*call) int32 { return use(0, 0) }
		all["home-"+name+"-dot"] = func(*call) int32 { return use(str(".")) }
	}
	own("remove", func(p, n uint32) int32 { return treeRemove(0, p, n) })
	own("rename", func(p, n uint32) int32 { q, m := str("l/home"); return rename(0, p, n, q, m) })
	own("replace", func(p, n uint32) int32 { q, m := str("l/peer"); return rename(0, q, m, p, n) })
	own("mknod", func(p, n uint32) int32 { return mknod(0, p, n, 0o10644, 0, 0) })
	own("link", func(p, n uint32) int32 { q, m := str("l/home"); return link(0, p, n, q, m) })
	own("chmod", func(p, n uint32) int32 { return chmod(0, p, n, 0o777) })
	own("lchown", func(p, n uint32) int32 { return lchown(0, p, n, 7, 7) })
	own("copy", func(p, n uint32) int32 { q, m := str("l/home"); return treeCopy(0, p, n, 0, q, m) })
	all["home-wasi-rmdir"] = func(*call) int32 { return code(os.Remove("/")) }
	all["home-wasi-rename"] = func(*call) int32 { return code(os.Rename("/", "/l/home")) }
	all["home-wasi-replace"] = func(*call) int32 { return code(os.Rename("/l/peer", "/")) }
	all["home-base-remove"] = func(*call) int32 { return treeRemove(uint64(baseOpen(0, 0)), 0, 0) }

	// Deeper than any path is long, by putting one tree into the other.
	all["deep"] = func(c *call) int32 {
		dir := in(c)
		chain := strings.TrimSuffix(strings.Repeat("d/", 500), "/")
		if err := os.MkdirAll(dir+"/a/"+chain, 0o755); err != nil {
			return code(err)
		}
		for range 5 {
			if err := os.Mkdir(dir+"/b", 0o755); err != nil {
				return code(err)
			}
			if err := os.MkdirAll(dir+"/b/"+chain, 0o755); err != nil {
				return code(err)
			}
			if err := os.Rename(dir+"/a", dir+"/b/"+chain+"/d"); err != nil {
				return code(err)
			}
			if err := os.Rename(dir+"/b", dir+"/a"); err != nil {
				return code(err)
			}
		}
		return 0
	}
	deep := func(name string, use func(p, n uint32) int32) {
		all["deep-"+name] = func(*call) int32 { return use(str("l/x.deep/a")) }
	}
	deep("usage", func(p, n uint32) int32 { return ignored(treeUsage(0, p, n)) })
	deep("copy", func(p, n uint32) int32 { q, m := str("l/x.deep/copy"); return treeCopy(0, p, n, 0, q, m) })
	deep("remove", func(p, n uint32) int32 { return treeRemove(0, p, n) })
	deep("emit", func(p, n uint32) int32 {
		return diffEmit(at(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitTree, Path: []byte("l/x.deep/a"), Name: []byte(".")})))
	})
	deep("walk", func(uint32, uint32) int32 {
		p, n := "l/x.deep/a", 0
		for {
			h := baseOpen(str(p))
			if h < 0 {
				return int32(h)
			}
			p += "/d"
			if n++; n > 1<<12 {
				return 0
			}
		}
	})
	all["path-4095"] = func(c *call) int32 {
		q, n := str(strings.Repeat("a/", 2047) + "a") // the longest that is a path, of names that are not there
		return int32(baseOpen(q, n))
	}
	all["name-256"] = func(c *call) int32 {
		q, n := str(in(c)[1:] + "/" + strings.Repeat("n", 256))
		return makeDir(0, q, n, 0o755)
	}

	emit := func(name string, e abi.Emit) {
		all["tree-"+name] = func(*call) int32 { return diffEmit(at(abi.AppendEmit(nil, e))) }
	}
	emit("of-file", abi.Emit{Kind: abi.EmitTree, Path: []byte("l/peer/f"), Name: []byte("x")})
	emit("of-link", abi.Emit{Kind: abi.EmitTree, Path: []byte("l/peer/out"), Name: []byte("x")})
	emit("own-content", abi.Emit{Kind: abi.EmitTree, Flags: abi.EmitOwnContent, Path: []byte("l/peer"), Name: []byte("x")})
	emit("layer-of-none", abi.Emit{Kind: abi.EmitTree, Flags: abi.EmitLayer, Path: []byte("l/peer"), Name: []byte("x")})
	emit("dotdot", abi.Emit{Kind: abi.EmitTree, Path: []byte("../canary"), Name: []byte("x")})
	emit("name-dotdot", abi.Emit{Kind: abi.EmitTree, Path: []byte("l/peer"), Name: []byte("../x")})
	emit("forged", abi.Emit{Kind: abi.EmitTree, Base: 1 << 50, Name: []byte("x")})
	all["tree-flood"] = func(*call) int32 {
		for {
			if r := diffEmit(at(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitTree, Path: []byte("l/peer"), Name: []byte("x")}))); r != 0 {
				return r
			}
		}
	}
	for name, as := range map[string]string{"whiteout": ".wh.f", "opaque": "d/.wh..wh..opq", "aufs": ".wh..wh.plnk"} {
		all["emit-name-"+name] = func(*call) int32 {
			return diffEmit(at(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitFile, Path: []byte("l/peer/f"), Name: []byte(as)})))
		}
		all["change-name-"+name] = func(*call) int32 {
			return changesEmit(at(abi.AppendChange(nil, abi.Change{Kind: 1, Path: []byte(as)})))
		}
	}
	// A guest that hands a byte over now and then is not one that waits.
	all["drip"] = func(*call) int32 {
		p, n := at([]byte("x"))
		for {
			if r := streamWrite(p, n); r != 0 {
				return r
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	all["lie-size-huge"] = func(*call) int32 { return give(abi.AppendFieldU64(nil, abi.FieldSize, 1<<63-1)) }
	all["lie-megabyte"] = func(*call) int32 {
		return give(abi.AppendFieldPair(nil, abi.FieldPair, "k", strings.Repeat("m", 1<<20)))
	}
	all["lie-many-pairs"] = func(*call) int32 {
		var b []byte
		for len(b) < 1<<20 {
			b = abi.AppendFieldPair(b, abi.FieldPair, "k", "v")
		}
		return give(b)
	}
	all["lie-there"] = func(c *call) int32 {
		if c.method == abi.MethodExists {
			return give(abi.AppendFieldU32(nil, abi.FieldExists, 1))
		}
		return c.honest()
	}
}
