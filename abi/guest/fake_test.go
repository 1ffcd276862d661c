package guest

import (
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
)

// fake is a host in memory. What a test does not set panics if it is asked:
// the embedded Host is nil.
type fake struct {
	Host
	args    []byte
	results [][]byte
	said    string
	dirs    map[string]bool
	removed []string
	fail    map[string]abi.Code // by import

	entries   [][]byte // batches
	actions   []abi.Action
	crossings int

	trees   map[string][]string // names by directory
	pending []byte
	emits   []abi.Emit
	changes []abi.Change
	written []byte
	locked  []string
	xattrs  []byte
}

func pull(buf, v []byte) int32 {
	if len(v) <= len(buf) {
		copy(buf, v)
	}
	return int32(len(v))
}

func (f *fake) code(name string) int32 { return int32(f.fail[name]) }

func (f *fake) CallArgs(buf []byte) int32 { return pull(buf, f.args) }

func (f *fake) Result(rec []byte) int32 {
	f.results = append(f.results, slices.Clone(rec))
	return f.code(abi.ImportResult)
}

func (f *fake) Fail(code int32, subject, text []byte) int32 {
	f.said = abi.Code(code).Error() + "|" + string(subject) + "|" + string(text)
	return 0
}

func (f *fake) Log(uint32, []byte) int32 { return 0 }

func (f *fake) Lock(name []byte, mode uint32) int32 {
	f.locked = append(f.locked, string(name)+"rw"[mode:mode+1])
	return f.code(abi.ImportLock)
}

func (f *fake) BaseOpen(path []byte) int64 {
	if c := f.code(abi.ImportBaseOpen); c != 0 {
		return int64(c)
	}
	if f.dirs[string(path)] {
		return 1 << 40
	}
	return int64(abi.NotFound)
}

func (f *fake) BaseStack(bases []byte, flags uint32) int64 {
	if c := f.code(abi.ImportBaseStack); c != 0 {
		return int64(c)
	}
	return 1<<41 | int64(len(bases)/8)<<8 | int64(flags)
}

func (f *fake) MakeDir(_ uint64, path []byte, _ uint32) int32 {
	p := string(path)
	if f.dirs[p] {
		return int32(abi.Exists)
	}
	if i := strings.LastIndexByte(p, '/'); i >= 0 && !f.dirs[p[:i]] {
		return int32(abi.NotFound)
	}
	f.dirs[p] = true
	return 0
}

func (f *fake) TreeCopy(_ uint64, src []byte, _ uint64, dst []byte) int32 {
	if !f.dirs[string(src)] {
		return int32(abi.NotFound)
	}
	f.dirs[string(dst)] = true
	return f.code(abi.ImportTreeCopy)
}

func (f *fake) TreeRemove(_ uint64, path []byte) int32 {
	f.removed = append(f.removed, string(path))
	if !f.dirs[string(path)] {
		return int32(abi.NotFound)
	}
	delete(f.dirs, string(path))
	return 0
}

func (f *fake) XattrList(_ uint64, _, buf []byte) int32 { return pull(buf, f.xattrs) }

func (f *fake) EntriesNext(buf []byte) int32 {
	f.crossings++
	if len(f.entries) == 0 {
		return f.code(abi.ImportEntriesNext)
	}
	n := pull(buf, f.entries[0])
	if int(n) <= len(buf) {
		f.entries = f.entries[1:]
	}
	return n
}

func (f *fake) Actions(rec []byte) int32 {
	f.crossings++
	for len(rec) > 0 {
		r, rest, _, _ := abi.Next(rec)
		a, _ := abi.ParseAction(r)
		a.Path = slices.Clone(a.Path)
		f.actions = append(f.actions, a)
		rec = rest
	}
	return f.code(abi.ImportActions)
}

func (f *fake) EntryAttr(_ uint64, _ uint32, buf []byte) int32 {
	return pull(buf, abi.AppendAttr(nil, "user.big", strings.Repeat("v", 100_000)))
}

// ReaddirPlus answers two records a time.
func (f *fake) ReaddirPlus(req, buf []byte) int32 {
	f.crossings++
	for len(req) > 0 {
		r, rest, _, _ := abi.Next(req)
		l, _ := abi.ParseList(r)
		kids, ok := f.trees[string(l.Path)]
		mark := abi.DirMark{Tag: l.Tag}
		if !ok {
			mark.Code = abi.NotFound
		}
		f.pending = abi.AppendDirMark(f.pending, abi.RecDirBegin, mark)
		for _, k := range kids {
			f.pending = abi.AppendName(f.pending, &abi.Name{Name: []byte(k), Attrs: uint64(l.Flags)})
		}
		f.pending = abi.AppendDirMark(f.pending, abi.RecDirEnd, abi.DirMark{Tag: l.Tag})
		req = rest
	}
	var out []byte
	for range 2 {
		if _, rest, ok, _ := abi.Next(f.pending); ok {
			out = append(out, f.pending[:len(f.pending)-len(rest)]...)
			f.pending = rest
		}
	}
	return pull(buf, out)
}

// FilesEqual finds files equal whose names begin with '='.
func (f *fake) FilesEqual(req, out []byte) int32 {
	f.crossings++
	n := 0
	for ; len(req) > 0; n++ {
		r, rest, _, _ := abi.Next(req)
		p, _ := abi.ParsePair(r)
		out[n] = 0
		if p.PathA[0] == '=' {
			out[n] = 1
		}
		req = rest
	}
	return int32(n)
}

func (f *fake) DiffEmit(rec []byte) int32 {
	f.crossings++
	for len(rec) > 0 {
		r, rest, _, _ := abi.Next(rec)
		e, _ := abi.ParseEmit(r)
		e.Path, e.Name = slices.Clone(e.Path), slices.Clone(e.Name)
		f.emits = append(f.emits, e)
		rec = rest
	}
	return f.code(abi.ImportDiffEmit)
}

func (f *fake) EntryWrite(b []byte) int32 {
	f.written = append(f.written, b...)
	return 0
}

func (f *fake) ChangesEmit(rec []byte) int32 {
	f.crossings++
	for len(rec) > 0 {
		r, rest, _, _ := abi.Next(rec)
		c, _ := abi.ParseChange(r)
		c.Path = slices.Clone(c.Path)
		f.changes = append(f.changes, c)
		rec = rest
	}
	return f.code(abi.ImportChangesEmit)
}
