package main

import (
	"fmt"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/abi"
)

// raceFor is how long each side of a race goes on.
const raceFor = 2 * time.Second

// races are made by two calls at a time, in instances of their own: one swaps a
// name between a directory and a link that leads out, the other goes through
// it. What the other is refused is of no interest; what it reaches is.
func races(all map[string]attack) {
	const place = "/l/race"
	all["race-prepare"] = func(*call) int32 {
		_ = os.Mkdir(place, 0o755)
		_ = os.Mkdir(place+"/dir", 0o755)
		_ = os.Mkdir(place+"/dir/sub", 0o755)
		_ = os.WriteFile(place+"/dir/secret", []byte("decoy"), 0o600)
		_ = os.WriteFile(place+"/file", []byte("decoy"), 0o600)
		_ = os.Symlink("../../../canary", place+"/out")
		return code(os.Symlink("../../../canary/secret", place+"/out-file"))
	}
	// Three renames in turn: a name is a directory, nothing, a link.
	all["race-swap"] = func(*call) int32 {
		for end := time.Now().Add(raceFor); time.Now().Before(end); {
			_ = os.Rename(place+"/dir", place+"/now")
			_ = os.Rename(place+"/now", place+"/dir")
			_ = os.Rename(place+"/out", place+"/now")
			_ = os.Rename(place+"/now", place+"/out")
			_ = os.Rename(place+"/file", place+"/now-file")
			_ = os.Rename(place+"/out-file", place+"/now-file") // over it, at once
			_ = os.Rename(place+"/now-file", place+"/out-file")
			_ = os.WriteFile(place+"/file", []byte("decoy"), 0o600)
		}
		return 0
	}
	now := place + "/now"
	all["race-go"] = func(*call) int32 {
		for i, end := 0, time.Now().Add(raceFor); time.Now().Before(end); i++ {
			for _, p := range []string{now + "/secret", place + "/now-file"} {
				if b, err := os.ReadFile(p); err == nil && string(b) == "secret" {
					return said(abi.IO, "the secret was read at "+p)
				}
				if f, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
					_, _ = f.Write([]byte("decoy"))
					_ = f.Close()
				}
			}
			_ = os.WriteFile(now+fmt.Sprint("/new", i%8), nil, 0o600)
			_ = os.Mkdir(now+"/made", 0o755)
			_ = os.Chtimes(now+"/sub", time.Unix(1, 0), time.Unix(1, 0))
			_ = os.Remove(now + "/made")
			_ = os.Link(now+"/secret", place+"/stolen")
			if b, err := os.ReadFile(place + "/stolen"); err == nil && string(b) == "secret" {
				return said(abi.IO, "the secret was linked")
			}
			_ = os.Remove(place + "/stolen")

			p, n := str("l/race/now/secret")
			chmod(0, p, n, 0o666)
			lchown(0, p, n, 7, 7)
			q, m := str("l/race/now/sub")
			treeRemove(0, q, m)
			makeDir(0, q, m, 0o755)
			lutimes(0, q, m, 1, 0)
			if h := baseOpen(str("l/race/now")); h > 0 {
				k, l := str("by-base")
				mknod(uint64(h), k, l, 0o10644, 0, 0)
				treeRemove(uint64(h), k, l)
			}
			s, t := str("l/race/now")
			c, d := str(fmt.Sprint("l/race/copy", i))
			if treeCopy(0, s, t, 0, c, d) == 0 {
				if b, err := os.ReadFile(fmt.Sprint(place, "/copy", i, "/secret")); err == nil && string(b) == "secret" {
					return said(abi.IO, "the secret was copied")
				}
			}
			treeRemove(0, c, d)
			if i%50 == 49 {
				return 0 // before bases are as many as may be; the next call goes on
			}
		}
		return 0
	}
	// apply-race makes entries beneath a name that is being swapped.
	all["race-apply"] = func(c *call) int32 {
		base := baseOpen(str("l/race/now"))
		if base < 0 {
			base = baseOpen(str("l/race"))
		}
		for {
			es, code := batch()
			if code < 0 || len(es) == 0 {
				return code
			}
			decide(abi.Action{Act: abi.ActApply, Count: uint32(len(es)), First: es[0].Index, Base: uint64(base)})
		}
	}
	all["race-tidy"] = func(*call) int32 { p, n := str("l/race"); return treeRemove(0, p, n) }

	// Whatever a listing finds is opened, in every way there is.
	all["nodes"] = func(*call) int32 {
		names, err := os.ReadDir("/l/nodes")
		if err != nil {
			return code(err)
		}
		for _, e := range names {
			p := "/l/nodes/" + e.Name()
			for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_CREATE} {
				if f, err := os.OpenFile(p, flags, 0); err == nil {
					_ = f.Close()
					return said(abi.IO, fmt.Sprintf("%s was opened with %#x", p, flags))
				}
			}
			q, n := str(p[1:])
			if baseOpen(q, n) > 0 {
				return said(abi.IO, p+" is a base")
			}
			both := abi.Pair{PathA: []byte(p[1:]), PathB: []byte(p[1:])}
			if equal(abi.AppendPair(nil, both)) == 1 && answer[0] == 1 {
				return said(abi.IO, p+" was read")
			}
		}
		q, n := str("l/nodes")
		return ignored(treeUsage(0, q, n))
	}
	all["nodes-emit"] = func(*call) int32 {
		return diffEmit(at(abi.AppendEmit(nil, abi.Emit{Kind: abi.EmitTree, Path: []byte("l/nodes"), Name: []byte(".")})))
	}

	// A mount lies at l/mount.
	all["mount-read"] = func(*call) int32 { return code(read("/l/mount/secret")) }
	all["mount-list"] = func(*call) int32 { return code(listed("/l/mount")) }
	all["mount-write"] = func(*call) int32 { return code(write("/l/mount/new")) }
	all["mount-mkdir"] = func(*call) int32 { return code(mkdirIn("/l/mount")) }
	all["mount-unlink"] = func(*call) int32 { return code(os.Remove("/l/mount/secret")) }
	all["mount-rename"] = func(*call) int32 { return code(os.Rename("/l/mount/secret", "/l/stolen")) }
	all["mount-link"] = func(*call) int32 { return code(os.Link("/l/mount/secret", "/l/stolen")) }
	on := func(name, p string, use func(p, n uint32) int32) {
		all["mount-"+name] = func(*call) int32 { return use(str(p)) }
	}
	on("base", "l/mount", func(p, n uint32) int32 { return ignored(baseOpen(p, n)) })
	on("chmod", "l/mount/secret", func(p, n uint32) int32 { return chmod(0, p, n, 0o777) })
	on("remove", "l/mount/secret", func(p, n uint32) int32 { return treeRemove(0, p, n) })
	on("usage", "l/mount", func(p, n uint32) int32 { return ignored(treeUsage(0, p, n)) })
	on("copy", "l/mount", func(p, n uint32) int32 { q, m := str("l/stolen"); return treeCopy(0, p, n, 0, q, m) })
	on("remove-around", "l/mount", func(p, n uint32) int32 { return treeRemove(0, p, n) })
}
