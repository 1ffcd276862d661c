package main

import (
	"os"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
)

func limits(all map[string]attack) {
	all["loop"] = func(*call) int32 {
		for {
		}
	}
	all["loop-imports"] = func(*call) int32 {
		for {
			callArgs(0, 0)
		}
	}
	all["loop-files"] = func(*call) int32 {
		for {
			_, _ = os.Stat("/l")
		}
	}
	all["memory"] = func(*call) int32 {
		var grabbed [][]byte
		for {
			grabbed = append(grabbed, make([]byte, 1<<20))
		}
	}
	all["panic"] = func(*call) int32 { panic("a hostile panic") }
	all["exit"] = func(*call) int32 {
		os.Exit(0)
		return 0
	}
	all["overflow"] = func(c *call) int32 { return deeper(c, 0) }
	all["bases"] = func(*call) int32 {
		for {
			if h := baseOpen(0, 0); h < 0 {
				return int32(h)
			}
		}
	}
	all["files"] = func(*call) int32 {
		var open []*os.File
		for {
			f, err := os.Open("/l")
			if err != nil {
				return said(abi.Limit, err.Error())
			}
			open = append(open, f)
		}
	}
	all["log"] = func(*call) int32 {
		p, n := str(strings.Repeat("noise", 100))
		for {
			if r := logLine(1, p, n); r != 0 {
				return r
			}
		}
	}
	all["log-levels"] = func(*call) int32 { return logLine(9, 0, 0) }
	all["print"] = func(*call) int32 {
		for range 3000 {
			println("noise, noise, noise")
		}
		return 0
	}
	all["locks"] = func(*call) int32 {
		for i := range 1 << 20 {
			p, n := at([]byte{byte(i >> 16), byte(i >> 8), byte(i), 1})
			if r := lock(p, n, 1); r != 0 {
				return r
			}
		}
		return 0
	}
	all["request"] = func(*call) int32 {
		rec := abi.AppendList(nil, abi.List{})
		var req []byte
		for len(req) <= 16<<20 {
			req = append(req, rec...)
		}
		rp, rn := at(req)
		bp, bn := at(make([]byte, 1<<16))
		return readdirPlus(rp, rn, bp, bn)
	}
}

func deeper(c *call, n int) int32 {
	var room [512]byte
	room[n%len(room)] = byte(n)
	return deeper(c, n+1) + int32(room[0])
}

func protocol(all map[string]attack) {
	const far = 0xffff_fff0
	all["pointer-args"] = func(*call) int32 { return callArgs(far, 64) }
	all["pointer-result"] = func(*call) int32 { return result(far, 64) }
	all["pointer-path"] = func(*call) int32 { return int32(baseOpen(far, 64)) }
	all["pointer-wraps"] = func(*call) int32 { return int32(baseOpen(16, 0xffff_ffff)) }
	all["pointer-out"] = func(*call) int32 {
		q, n := str("l/peer")
		k, m := str("user.x")
		return xattrGet(0, q, n, k, m, far, 64)
	}

	all["no-result"] = func(*call) int32 { return 0 }
	all["two-results"] = func(c *call) int32 {
		f := abi.AppendFieldU32(nil, abi.FieldExists, 1)
		give(f)
		return give(f)
	}
	all["two-results-hidden"] = func(c *call) int32 {
		f := abi.AppendFieldU32(nil, abi.FieldExists, 1)
		give(f)
		give(f)
		return 0
	}
	all["two-fields"] = func(*call) int32 {
		return give(abi.AppendFieldU32(abi.AppendFieldU32(nil, abi.FieldExists, 1), abi.FieldExists, 0))
	}
	all["wrong-tag"] = func(*call) int32 { return give(abi.AppendFieldU64(nil, abi.FieldSize, 1)) }
	all["malformed"] = func(*call) int32 { return give([]byte("no record at all")) }
	all["short-field"] = func(*call) int32 { return give(abi.AppendField(nil, abi.FieldExists, []byte{1})) }
	all["large-result"] = func(*call) int32 { return give(make([]byte, abi.MaxRecord+8)) }
	all["positive"] = func(*call) int32 { return 7 }
	all["unknown-code"] = func(*call) int32 { return -77 }
	all["naive-create"] = func(*call) int32 { return int32(abi.UseNaive) }

	all["lock-order"] = func(*call) int32 {
		p, n := str("b")
		lock(p, n, 0)
		p, n = str("a")
		return lock(p, n, 0)
	}
	all["lock-twice"] = func(*call) int32 {
		p, n := str("b")
		lock(p, n, 0)
		return lock(p, n, 1)
	}
	all["lock-mode"] = func(*call) int32 { p, n := str("b"); return lock(p, n, 2) }
	all["lock-name"] = func(*call) int32 { p, n := str(strings.Repeat("n", 256)); return lock(p, n, 0) }
	all["lock-late"] = func(*call) int32 {
		batch()
		p, n := str("b")
		return lock(p, n, 0)
	}
	all["lock-wait"] = func(*call) int32 { p, n := str("held"); return lock(p, n, 1) }
	all["lock-after"] = func(*call) int32 { p, n := str("held"); return lock(p, n, 1) }
	all["lock-and-stream"] = func(*call) int32 {
		p, n := str("held")
		if r := lock(p, n, 1); r != 0 {
			return r
		}
		p, n = at(make([]byte, 4096))
		for {
			if r := streamWrite(p, n); r < 0 {
				return r
			}
		}
	}
	all["entries-elsewhere"] = func(*call) int32 { return entriesNext(0, 0) }
	all["emit-elsewhere"] = func(*call) int32 { return changesEmit(0, 0) }
}

// lies are wrong answers about the layer they are asked of.
func lies(all map[string]attack) {
	where := func(name, p string) {
		all["lie-"+name] = func(c *call) int32 {
			switch c.method {
			case abi.MethodDiffGetter:
				return give(abi.AppendFieldString(nil, abi.FieldBase, p))
			case abi.MethodGet:
				return give(abi.AppendFieldSpec(nil, abi.DirSpec(p)))
			}
			return c.honest() // it lies about what it stored well
		}
	}
	where("sealed", "l/sealed")
	where("above", "l")
	where("beneath", "l/sealed/d")
	where("home", ".")
	where("empty", "")
	where("outside", "../canary")
	where("absolute", "/l/peer")
	where("missing", "l/nothing")
	where("file", "l/peer/f")
	where("link", "l/peer/out")
	where("symlink", "l/x.two-calls-make/e")
	where("peer", "l/peer")
	where("other", "l/spare")
	all["lie-kind"] = func(*call) int32 {
		return give(abi.AppendFieldSpec(nil, abi.Spec{Kind: 99, Paths: []string{"l/peer"}}))
	}
	all["lie-spec"] = func(*call) int32 { return give(abi.AppendField(nil, abi.FieldSpec, []byte{1})) }
	all["lie-exists"] = func(*call) int32 { return give(abi.AppendFieldU32(nil, abi.FieldExists, 2)) }
	all["lie-size"] = func(*call) int32 { return give(abi.AppendFieldU64(nil, abi.FieldSize, 1<<63)) }
	all["lie-status"] = func(*call) int32 { return give(abi.AppendFieldString(nil, abi.FieldPair, "no separator")) }
	all["lie-text"] = func(*call) int32 { return give(abi.AppendFieldPair(nil, abi.FieldPair, "k", "\xff\xfe")) }
}
