package main

import (
	"os"

	"github.com/bulkhead/bulkhead/abi"
)

func decide(a abi.Action) int32 { return actions(at(abi.AppendAction(nil, a))) }

// applying attacks what an archive is handed over by. The archive holds three
// files, a symlink that leads out and an entry beneath it, and a file larger
// than a batch.
func applying(all map[string]attack) {
	own := func(c *call) uint64 { return uint64(baseOpen(str(in(c)[1:]))) }
	one := func(name string, do func(c *call, es []abi.Entry) int32) {
		all["apply-"+name] = func(c *call) int32 {
			es, code := batch()
			if code < 0 {
				return code
			}
			return do(c, es)
		}
	}
	one("undecided", func(*call, []abi.Entry) int32 { _, code := batch(); return code })
	one("undecided-return", func(*call, []abi.Entry) int32 { return 0 })
	one("early", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: uint32(len(es)), Base: own(c)})
	})
	one("twice", func(c *call, es []abi.Entry) int32 {
		a := abi.Action{Act: abi.ActApply, Count: 1, Base: own(c)}
		decide(a)
		return decide(a)
	})
	one("beyond", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: uint32(len(es)) + 1, Base: own(c)})
	})
	one("index-wraps", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, First: 1<<64 - 1, Count: 1, Base: own(c)})
	})
	one("count-none", func(c *call, es []abi.Entry) int32 { return decide(abi.Action{Act: abi.ActApply, Base: own(c)}) })
	one("unknown", func(*call, []abi.Entry) int32 { return decide(abi.Action{Act: 9, Count: 1}) })
	one("path-of-many", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 2, Base: own(c), Path: []byte("p")})
	})
	one("path-out", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: own(c), Path: []byte("../../canary/new")})
	})
	one("skip-payload", func(*call, []abi.Entry) int32 { return decide(abi.Action{Act: abi.ActSkip, Count: 1}) })
	one("other-path", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: own(c), Path: []byte("elsewhere")})
	})
	one("two-bases", func(c *call, es []abi.Entry) int32 {
		_ = os.Mkdir(in(c)+"/b", 0o755)
		other := uint64(baseOpen(str(in(c)[1:] + "/b")))
		if r := decide(abi.Action{Act: abi.ActApply, Count: 1, Base: own(c)}); r != 0 {
			return r
		}
		return decide(abi.Action{Act: abi.ActApply, First: 1, Count: 1, Base: other})
	})
	one("sealed", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: uint64(baseOpen(str("l/sealed")))})
	})
	one("above-sealed", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: uint64(baseOpen(str("l")))})
	})
	one("home", func(c *call, es []abi.Entry) int32 { return decide(abi.Action{Act: abi.ActApply, Count: 1}) })
	one("forged", func(c *call, es []abi.Entry) int32 {
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: 1 << 50})
	})
	one("naive-late", func(*call, []abi.Entry) int32 { return int32(abi.UseNaive) })
	one("unsupported-late", func(*call, []abi.Entry) int32 { return int32(abi.NotSupported) })
	one("read-and-apply", func(c *call, es []abi.Entry) int32 {
		p, n := at(make([]byte, 4))
		if r := entryRead(es[0].Index, p, n); r < 0 {
			return r
		}
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: own(c)})
	})
	one("read-unknown", func(*call, []abi.Entry) int32 { return entryRead(1<<40, 0, 0) })
	one("stream-too", func(*call, []abi.Entry) int32 { return streamRead(at(make([]byte, 512))) })
	one("garbage", func(*call, []abi.Entry) int32 { return actions(at([]byte("certainly no record....."))) })
	one("hidden", func(c *call, es []abi.Entry) int32 {
		decide(abi.Action{Act: 9, Count: 1})
		return 0
	})
	one("moved", func(c *call, es []abi.Entry) int32 {
		h := own(c)
		if r := decide(abi.Action{Act: abi.ActApply, Count: 1, Base: h}); r != 0 {
			return r
		}
		if err := os.Rename("/l/"+c.id, "/l/elsewhere"); err != nil {
			return code(err)
		}
		return decide(abi.Action{Act: abi.ActApply, First: 1, Count: 1, Base: h})
	})
	one("stop", func(*call, []abi.Entry) int32 { return said(abi.IO, "enough") })
	all["apply-stream-first"] = func(*call) int32 {
		streamRead(at(make([]byte, 512)))
		_, code := batch()
		return code
	}
	all["apply-honest"] = func(c *call) int32 {
		in(c)
		honest := *c
		return honest.apply()
	}
	all["apply-peer"] = func(c *call) int32 {
		honest := *c
		honest.id = "peer"
		return honest.apply()
	}
}

func emitting(all map[string]attack) {
	emit := func(name string, recs ...abi.Emit) {
		all["emit-"+name] = func(*call) int32 {
			var b []byte
			for _, e := range recs {
				b = abi.AppendEmit(b, e)
			}
			return diffEmit(at(b))
		}
	}
	file := func(p, name string) abi.Emit {
		return abi.Emit{Kind: abi.EmitFile, Path: []byte(p), Name: []byte(name)}
	}
	emit("dotdot", file("../canary/secret", "x"))
	emit("name-dotdot", file("l/peer/f", "../x"))
	emit("name-absolute", file("l/peer/f", "/x"))
	emit("through-link", file("l/peer/out/secret", "x"))
	emit("missing", file("l/peer/nothing", "x"))
	emit("forged", abi.Emit{Kind: abi.EmitFile, Base: 1 << 50, Path: []byte("f")})
	emit("unknown", abi.Emit{Kind: 9, Path: []byte("f")})
	emit("whiteout-root", abi.Emit{Kind: abi.EmitWhiteout, Path: []byte(".")})
	emit("own-not-last", abi.Emit{Flags: abi.EmitOwnContent, Kind: abi.EmitFile, Path: []byte("l/peer/f")}, file("l/peer/f", "x"))
	emit("own-of-dir", abi.Emit{Flags: abi.EmitOwnContent, Kind: abi.EmitFile, Path: []byte("l/peer")})
	emit("own-missing", abi.Emit{Flags: abi.EmitOwnContent, Kind: abi.EmitFile, Path: []byte("l/peer/f")})
	all["emit-garbage"] = func(*call) int32 { return diffEmit(at([]byte("certainly no record....."))) }
	all["emit-own-too-much"] = func(*call) int32 {
		diffEmit(at(abi.AppendEmit(nil, abi.Emit{Flags: abi.EmitOwnContent, Kind: abi.EmitFile, Path: []byte("l/peer/f")})))
		return entryWrite(at(make([]byte, 1<<12)))
	}
	all["emit-content-alone"] = func(*call) int32 { return entryWrite(at([]byte("x"))) }
	all["emit-then-stream"] = func(*call) int32 {
		diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f"))))
		return streamWrite(at([]byte("x")))
	}
	all["stream-then-emit"] = func(*call) int32 {
		streamWrite(at([]byte("x")))
		return diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f"))))
	}
	all["emit-then-naive"] = func(*call) int32 {
		diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f"))))
		return int32(abi.UseNaive)
	}
	all["emit-then-stop"] = func(*call) int32 {
		diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f"))))
		return said(abi.IO, "enough")
	}
	all["emit-then-panic"] = func(*call) int32 {
		diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f"))))
		panic("amid output")
	}
	all["emit-flood"] = func(*call) int32 {
		for {
			if r := diffEmit(at(abi.AppendEmit(nil, file("l/peer/f", "f")))); r != 0 {
				return r
			}
		}
	}
	change := func(name string, kind uint16, p string) {
		all["change-"+name] = func(*call) int32 {
			return changesEmit(at(abi.AppendChange(nil, abi.Change{Kind: kind, Path: []byte(p)})))
		}
	}
	change("dotdot", 1, "../etc/passwd")
	change("inner-dotdot", 1, "a/../../b")
	change("absolute", 1, "/etc")
	change("root", 0, ".")
	change("nul", 0, "a\x00b")
	change("kind", 7, "a")
	all["change-garbage"] = func(*call) int32 { return changesEmit(at([]byte("certainly no record....."))) }
	all["change-flood"] = func(*call) int32 {
		for {
			if r := changesEmit(at(abi.AppendChange(nil, abi.Change{Kind: 1, Path: []byte("a/b/c")}))); r != 0 {
				return r
			}
		}
	}
}
