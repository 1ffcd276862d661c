package main

import (
	"encoding/binary"
	"os"

	"github.com/bulkhead/bulkhead/abi"
)

// handles attacks what takes handles, alone and over each other.
func handles(all map[string]attack) {
	stack := func(flags uint32, of ...int64) int64 {
		var b []byte
		for _, h := range of {
			b = binary.LittleEndian.AppendUint64(b, uint64(h))
		}
		p, n := at(b)
		return baseStack(p, n, flags)
	}
	peer := func() int64 { return baseOpen(str("l/peer")) }
	spare := func() int64 { return baseOpen(str("l/spare")) }
	makes := func(name string, of func() (flags uint32, bases []int64)) {
		all["stack-"+name] = func(*call) int32 {
			flags, bases := of()
			return ignored(stack(flags, bases...))
		}
	}
	makes("none", func() (uint32, []int64) { return 0, nil })
	makes("many", func() (uint32, []int64) {
		bases, h := make([]int64, 501), peer()
		for i := range bases {
			bases[i] = h
		}
		return 0, bases
	})
	makes("flags", func() (uint32, []int64) { return 1 << 7, []int64{peer()} })
	makes("home", func() (uint32, []int64) { return 0, []int64{peer(), 0} })
	makes("forged", func() (uint32, []int64) { return 0, []int64{peer(), 1<<40 | 1} })
	makes("of-stacks", func() (uint32, []int64) { return 0, []int64{stack(0, peer(), spare())} })
	all["stack-odd"] = func(*call) int32 { p, n := at(make([]byte, 12)); return ignored(baseStack(p, n, 0)) }
	all["stack-endless"] = func(*call) int32 {
		h := peer()
		for {
			if s := stack(0, h); s < 0 {
				return int32(s)
			}
		}
	}
	on := func(name string, use func(s uint64, p, n uint32) int32) {
		all["stack-"+name] = func(*call) int32 {
			p, n := str("f")
			return use(uint64(stack(0, peer(), spare())), p, n)
		}
	}
	on("chmod", func(s uint64, p, n uint32) int32 { return chmod(s, p, n, 0o777) })
	on("mkdir", func(s uint64, p, n uint32) int32 { return makeDir(s, p, n, 0o777) })
	on("remove", func(s uint64, p, n uint32) int32 { return treeRemove(s, p, n) })
	on("rename", func(s uint64, p, n uint32) int32 { q, m := str("g"); return rename(s, p, n, q, m) })
	on("copy", func(s uint64, p, n uint32) int32 { q, m := str("l/new"); return treeCopy(s, p, n, 0, q, m) })
	on("usage", func(s uint64, p, n uint32) int32 { return int32(treeUsage(s, p, n)) })
	on("xattr", func(s uint64, p, n uint32) int32 {
		k, l := str("user.x")
		return xattrGet(s, p, n, k, l, 0, 0)
	})
	all["stack-apply-sealed"] = func(*call) int32 {
		if _, code := batch(); code < 0 {
			return code
		}
		s := stack(0, baseOpen(str("l/sealed")), peer())
		return decide(abi.Action{Act: abi.ActApply, Count: 1, Base: uint64(s)})
	}
	all["stack-stale"] = func(*call) int32 {
		keptStack = stack(0, peer(), spare())
		return ignored(keptStack)
	}
	all["stack-stale-again"] = func(*call) int32 {
		return lists(abi.AppendList(nil, abi.List{Base: uint64(keptStack)}))
	}

	list := func(name string, req func() []byte) {
		all["list-"+name] = func(*call) int32 { return lists(req()) }
	}
	list("forged", func() []byte { return abi.AppendList(nil, abi.List{Base: 1 << 50}) })
	list("dotdot", func() []byte { return abi.AppendList(nil, abi.List{Path: []byte("../canary")}) })
	list("absolute", func() []byte { return abi.AppendList(nil, abi.List{Path: []byte("/l")}) })
	list("flags", func() []byte { return abi.AppendList(nil, abi.List{Flags: 1 << 15}) })
	list("garbage", func() []byte { return []byte("certainly no record.....") })
	list("kind", func() []byte { return abi.AppendFieldU32(nil, 1, 1) })
	list("tail", func() []byte { return append(abi.AppendList(nil, abi.List{Path: []byte("l")}), 1, 2, 3) })
	pair := func(old, new uint64, p string) func() []byte {
		return func() []byte { return abi.AppendListPair(nil, abi.ListPair{Old: old, New: new, Path: []byte(p)}) }
	}
	list("pair-forged", pair(0, 1<<50, "l"))
	list("pair-dotdot", pair(0, 0, "../canary"))
	all["equal-garbage"] = func(*call) int32 { return equal([]byte("certainly no record.....")) }
	all["equal-forged"] = func(*call) int32 { return equal(abi.AppendPair(nil, abi.Pair{BaseA: 1 << 50})) }
	all["equal-dotdot"] = func(*call) int32 {
		return equal(abi.AppendPair(nil, abi.Pair{PathA: []byte("../canary/secret"), PathB: []byte("l/peer/f")}))
	}
	all["equal-outside"] = func(*call) int32 {
		// What lies outside is different from everything, even from itself.
		p := abi.Pair{PathA: []byte("l/peer/out/secret"), PathB: []byte("l/peer/out/secret")}
		if r := equal(abi.AppendPair(nil, p)); r != 1 || answer[0] != 0 {
			return said(abi.IO, "it was read")
		}
		return 0
	}
	all["equal-flood"] = func(*call) int32 {
		return equal(make([]byte, 16<<20+1))
	}
	all["closed-file"] = func(*call) int32 {
		f, err := os.Open("/l/peer/f")
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return code(err)
		}
		_, err = f.Read(make([]byte, 1))
		return code(err)
	}
}

var (
	keptStack int64
	answer    [8]byte
)

// lists asks for a listing and goes through it.
func lists(req []byte) int32 {
	buf := make([]byte, abi.MaxRecord)
	p, n := at(req)
	q, m := at(buf)
	for {
		r := readdirPlus(p, n, q, m)
		if r <= 0 {
			return r
		}
		p, n = 0, 0
	}
}

func equal(req []byte) int32 {
	p, n := at(req)
	q, m := at(answer[:])
	return filesEqual(p, n, q, m)
}
