package treediff

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// item is one name of a tree in memory: metadata, content or link target, and
// for a directory what it holds.
type item struct {
	Node
	content string
	kids    map[string]*item
}

func file(content string) *item {
	return &item{Node: Node{Mode: typeFile | 0o644, Size: uint64(len(content)), Nlink: 1, MtimeSec: 5, CtimeSec: 1000}, content: content}
}

func link(target string) *item {
	n := file(target)
	n.Mode = typeLink | 0o777
	return n
}

func folder(kids map[string]*item) *item {
	if kids == nil {
		kids = map[string]*item{}
	}
	return &item{Node: Node{Mode: typeDir | 0o755, Nlink: 2}, kids: kids}
}

// with changes a copy of a node.
func (it *item) with(change func(n *Node)) *item {
	c := *it
	change(&c.Node)
	return &c
}

func (it *item) at(p string) *item {
	for _, name := range strings.FieldsFunc(p, func(r rune) bool { return r == '/' }) {
		it = it.kids[name]
	}
	return it
}

// forest is a Source over two trees that checks what it is asked.
type forest struct {
	t        *testing.T
	trees    [2]*item
	compared []string
	lists    int
	failAt   string
}

func (f *forest) List(dirs []Dir, found func(int, []Node) error) error {
	f.lists++
	if len(dirs) > 2*batch {
		f.t.Errorf("%d directories in one request", len(dirs))
	}
	for i, d := range dirs {
		if d.Path == f.failAt && f.failAt != "" {
			return fmt.Errorf("no %s", d.Path)
		}
		kids := f.trees[d.Side].at(d.Path).kids
		names := make([]string, 0, len(kids))
		for n := range kids {
			names = append(names, n)
		}
		slices.Sort(names)
		var nodes []Node
		var buf []byte // used again, as a guest's buffer is
		for k, n := range names {
			from := len(buf)
			buf = append(buf, n...)
			node := kids[n].Node
			node.Name = buf[from:]
			if nodes = append(nodes, node); k%3 < 2 && k < len(names)-1 {
				continue
			}
			if err := found(i, nodes); err != nil {
				return err
			}
			for i := range buf {
				buf[i] = '?'
			}
			nodes, buf = nodes[:0], buf[:0]
		}
	}
	return nil
}

func (f *forest) Equal(paths [][]byte, equal []bool) error {
	for i, p := range paths {
		f.compared = append(f.compared, string(p))
		a, b := f.trees[Old].at(string(p)), f.trees[New].at(string(p))
		equal[i] = a.content == b.content
	}
	return nil
}

// diff runs a comparison and spells what it emitted, sorted; it checks that
// directories come before what they hold.
func diff(t *testing.T, f *forest, opts Options) string {
	t.Helper()
	f.t = t
	var out []string
	seen := map[string]bool{".": true}
	err := Compare(f, opts, func(c *Change) error {
		p := string(c.Path)
		if seen[p] {
			t.Errorf("%s was emitted twice", p)
		}
		seen[p] = true
		if !seen[path.Dir(p)] {
			t.Errorf("%s came before its directory", p)
		}
		if (c.New == nil) != (c.Kind == Deleted) || (c.Old == nil) != (c.Kind == Added) {
			t.Errorf("%s: nodes %v %v", p, c.Old, c.New)
		}
		if c.New != nil {
			it := f.trees[New].at(p)
			have, want := *c.New, it.Node
			have.Name, want.Name = nil, nil
			if fmt.Sprint(have) != fmt.Sprint(want) {
				t.Errorf("%s: node %v, want %v", p, have, want)
			}
		}
		out = append(out, "CAD"[c.Kind:c.Kind+1]+" "+p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	return strings.Join(out, ", ")
}

func base() *item {
	return folder(map[string]*item{
		"etc":   folder(map[string]*item{"passwd": file("root"), "hosts": file("local"), "empty": file("")}),
		"bin":   folder(map[string]*item{"sh": link("bash"), "bash": file("ELF")}),
		"dev":   folder(map[string]*item{"null": file("").with(func(n *Node) { n.Mode = 0o020666; n.Rdev = 1<<32 | 3 })}),
		"a\xff": file("not UTF-8"),
	})
}

func TestCompare(t *testing.T) {
	known := Options{Created: Created{Sec: 500, Known: true}}
	for name, test := range map[string]struct {
		change func(tree *item)
		opts   Options
		want   string
		asked  string
	}{
		"nothing":                {func(*item) {}, Options{}, "", "a\xff, bin/bash, bin/sh, etc/hosts, etc/passwd"},
		"nothing since creation": {func(*item) {}, Options{Created: Created{Sec: 2000, Known: true}}, "", ""},
		"ctime within a tick": {func(*item) {}, Options{Created: Created{Sec: 1000, Nsec: 19_999_999, Known: true}},
			"", "a\xff, bin/bash, bin/sh, etc/hosts, etc/passwd"},
		"ctime just before the tick": {func(*item) {}, Options{Created: Created{Sec: 1000, Nsec: 20_000_001, Known: true}}, "", ""},
		"same size, same time": {func(tree *item) { tree.at("etc").kids["passwd"] = file("toor") }, known,
			"C etc, C etc/passwd", "a\xff, bin/bash, bin/sh, etc/hosts, etc/passwd"},
		"link target": {func(tree *item) { tree.at("bin").kids["sh"] = link("dash") }, known,
			"C bin, C bin/sh", "a\xff, bin/bash, bin/sh, etc/hosts, etc/passwd"},
		"touched":    {func(tree *item) { tree.at("etc/passwd").MtimeNsec++ }, Options{Created: Created{Sec: 2000, Known: true}}, "C etc, C etc/passwd", ""},
		"attributes": {func(tree *item) { tree.at("etc/passwd").Attrs = 77 }, Options{Created: Created{Sec: 2000, Known: true}}, "C etc, C etc/passwd", ""},
		"owner":      {func(tree *item) { tree.at("etc/hosts").GID = 4 }, Options{Created: Created{Sec: 2000, Known: true}}, "C etc, C etc/hosts", ""},
		"another link to a file": {func(tree *item) {
			tree.at("etc/hosts").Nlink = 2
			tree.at("etc").kids["more"] = tree.at("etc/hosts")
		}, Options{Created: Created{Sec: 2000, Known: true}}, "C etc, C etc/hosts, A etc/more", ""},
		"device": {func(tree *item) { tree.at("dev/null").Rdev++ }, Options{Created: Created{Sec: 2000, Known: true}}, "C dev, C dev/null", ""},
		"added tree": {func(tree *item) {
			tree.kids["opt"] = folder(map[string]*item{"x": folder(map[string]*item{"y": file("z")})})
		}, Options{Created: Created{Sec: 2000, Known: true}}, "A opt, A opt/x, A opt/x/y", ""},
		"deleted tree": {func(tree *item) { delete(tree.kids, "etc") }, Options{Created: Created{Sec: 2000, Known: true}}, "D etc", ""},
		"deleted last name": {func(tree *item) { delete(tree.at("etc").kids, "passwd") }, Options{Created: Created{Sec: 2000, Known: true}},
			"C etc, D etc/passwd", ""},
		"emptied directory": {func(tree *item) { tree.at("etc").kids = nil }, Options{Created: Created{Sec: 2000, Known: true}},
			"C etc, D etc/empty, D etc/hosts, D etc/passwd", ""},
		"directory's own mode": {func(tree *item) { tree.at("etc").Mode = typeDir | 0o700 }, Options{Created: Created{Sec: 2000, Known: true}}, "C etc", ""},
		"directory's time and size do not count": {func(tree *item) { tree.at("etc").MtimeSec, tree.at("etc").Size = 99, 99 },
			Options{Created: Created{Sec: 2000, Known: true}}, "", ""},
		"directory becomes file": {func(tree *item) { tree.kids["etc"] = file("now") }, Options{Created: Created{Sec: 2000, Known: true}}, "C etc", ""},
		"file becomes directory": {func(tree *item) {
			tree.at("etc").kids["passwd"] = folder(map[string]*item{"d": file("")})
		}, Options{Created: Created{Sec: 2000, Known: true}}, "C etc, C etc/passwd, A etc/passwd/d", ""},
		"names that are not UTF-8": {func(tree *item) { delete(tree.kids, "a\xff"); tree.kids["a\xfe"] = file("") },
			Options{Created: Created{Sec: 2000, Known: true}}, "A a\xfe, D a\xff", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := &forest{trees: [2]*item{base(), base()}}
			test.change(f.trees[New])
			if got := diff(t, f, test.opts); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			slices.Sort(f.compared)
			if got := strings.Join(f.compared, ", "); got != test.asked {
				t.Errorf("compared %q, want %q", got, test.asked)
			}
		})
	}
}

func TestAgainstNothingAllIsAdded(t *testing.T) {
	f := &forest{trees: [2]*item{nil, base()}}
	want := "A a\xff, A bin, A bin/bash, A bin/sh, A dev, A dev/null, A etc, A etc/empty, A etc/hosts, A etc/passwd"
	if got := diff(t, f, Options{NoOld: true}); got != want {
		t.Errorf("%q", got)
	}
}

func TestManyDirectoriesTakeFewRequests(t *testing.T) {
	grow := func() *item {
		root := folder(nil)
		for i := range 20 {
			sub := folder(nil)
			for j := range 20 {
				sub.kids[fmt.Sprint(j)] = folder(map[string]*item{"f": file("x")})
			}
			root.kids[fmt.Sprint(i)] = sub
		}
		return root
	}
	f := &forest{trees: [2]*item{grow(), grow()}}
	f.trees[New].at("7/13").kids["f"] = file("y")
	if got := diff(t, f, Options{}); got != "C 7, C 7/13, C 7/13/f" {
		t.Errorf("%s", got)
	}
	if most := 421/batch + 3; f.lists > most {
		t.Errorf("%d requests for 421 directories, at most %d", f.lists, most)
	}
}

func TestErrorsEndTheComparison(t *testing.T) {
	f := &forest{t: t, trees: [2]*item{base(), base()}, failAt: "etc"}
	if err := Compare(f, Options{}, func(*Change) error { return nil }); err == nil {
		t.Error("a listing that failed was ignored")
	}
	f = &forest{t: t, trees: [2]*item{folder(nil), base()}}
	full := fmt.Errorf("full")
	if err := Compare(f, Options{}, func(*Change) error { return full }); err != full {
		t.Errorf("%v", err)
	}
}

// Whatever two trees are compared, carrying out what was emitted on the old
// one must give the new one.
func FuzzCompare(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{3, 2, 1})
	f.Add([]byte("aaaabbbb"), []byte("aaaacbbbbq"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > 64 || len(b) > 64 {
			return
		}
		src := &forest{t: t, trees: [2]*item{plant(a), plant(b)}}
		err := Compare(src, Options{}, func(c *Change) error {
			dir := src.trees[Old].at(path.Dir(string(c.Path)))
			if path.Dir(string(c.Path)) == "." {
				dir = src.trees[Old]
			}
			name := path.Base(string(c.Path))
			if c.Kind == Deleted {
				delete(dir.kids, name)
				return nil
			}
			now := *src.trees[New].at(string(c.Path))
			if now.kids != nil {
				old := dir.kids[name]
				now.kids = map[string]*item{}
				if old != nil && old.kids != nil {
					now.kids = old.kids
				}
			}
			dir.kids[name] = &now
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := spell(src.trees[Old], ""), spell(src.trees[New], ""); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// plant grows a tree from bytes.
func plant(b []byte) *item {
	root := folder(nil)
	at := root
	for r := bytes.NewReader(b); r.Len() > 0; {
		op, _ := r.ReadByte()
		name := string('a' + op%5)
		switch op / 5 % 4 {
		case 0:
			at.kids[name] = file(strings.Repeat("x", int(op/20)))
		case 1:
			if k := at.kids[name]; k == nil || k.kids == nil {
				at.kids[name] = folder(nil)
			}
			at = at.kids[name]
		case 2:
			at = root
		case 3:
			at.kids[name] = link(fmt.Sprint(op / 20))
		}
	}
	return root
}

func spell(it *item, p string) string {
	out := fmt.Sprintf("%s %o %q\n", p, it.Mode, it.content)
	names := make([]string, 0, len(it.kids))
	for n := range it.kids {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		out += spell(it.kids[n], p+"/"+n)
	}
	return out
}
