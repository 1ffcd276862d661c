package graphtest

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// mobyCases are those of moby's suite, by its names.
func mobyCases() []testCase {
	return []testCase{
		{name: "CreateEmpty", run: createEmpty},
		{name: "CreateBase", run: createBase},
		{name: "CreateSnap", run: createSnap},
		{name: "DeepLayerRead", run: deepLayerRead},
		{name: "DiffApply", run: diffApply},
		{name: "Changes", run: changesOfMany},
	}
}

func createEmpty(s *suite) {
	s.create("empty", "")
	exists, err := s.d.Exists(s.ctx(), "empty")
	s.ok(err)
	if !exists {
		s.Fatal("a created layer does not exist")
	}
	if n := s.tree("empty"); len(n) > 0 {
		s.Fatalf("an empty layer holds %v", n)
	}
	s.in("empty", func(dir string) {
		fi, err := os.Stat(dir)
		s.ok(err)
		if fi.Mode().Perm() != 0o755 || !fi.IsDir() {
			s.Fatalf("the root of a layer is %v", fi.Mode())
		}
	})
}

// base is a tree with the modes that go wrong most easily.
func base() []Entry {
	return []Entry{
		Dir("a subdir").Mode(0o705 | 0o1000), File("a file", "first\n").Mode(0o222 | 0o4000),
		Dir("etc"), File("etc/passwd", "root:x:0:0\n"), Symlink("etc/mtab", "/proc/mounts"),
		Dir("usr"), Dir("usr/bin"), File("usr/bin/tool", "#!tool").Mode(0o755), Link("usr/bin/alias", "usr/bin/tool"),
		Dir("empty"),
	}
}

func createBase(s *suite) {
	s.layer("base", "", base()...)
	got := s.tree("base")
	if len(got) != len(base()) {
		s.Fatalf("%d names of %d: %v", len(got), len(base()), got)
	}
	if m := got["a subdir"].Mode & 0o7777; m != 0o705|0o1000 {
		s.Errorf("mode of a sticky directory: %#o", m)
	}
	if m := got["a file"].Mode & 0o7777; m != 0o222|0o4000 {
		s.Errorf("mode of a setuid file: %#o", m)
	}
	if got["usr/bin/alias"].Group != got["usr/bin/tool"].Group {
		s.Error("a hard link is a file of its own")
	}
}

func createSnap(s *suite) {
	s.layer("base", "", base()...)
	s.create("snap", "base")
	if d := Differences(s.tree("base"), s.tree("snap")); len(d) > 0 {
		s.Fatalf("a child differs from its parent: %v", d)
	}
	s.ok(s.d.Remove(s.ctx(), "snap"))
	exists, err := s.d.Exists(s.ctx(), "snap")
	s.ok(err)
	if exists {
		s.Fatal("a removed layer exists")
	}
	s.ok(s.d.Remove(s.ctx(), "base"))
}

func deepLayerRead(s *suite) {
	parent := ""
	for i := range s.h.Depth {
		id := fmt.Sprintf("deep%d", i)
		s.layer(id, parent, File(fmt.Sprintf("layer%d", i), id), File("top", fmt.Sprint(i)))
		parent = id
	}
	s.in(parent, func(dir string) {
		for i := range s.h.Depth {
			b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("layer%d", i)))
			s.ok(err)
			if string(b) != fmt.Sprintf("deep%d", i) {
				s.Fatalf("layer%d holds %q", i, b)
			}
		}
		b, err := os.ReadFile(filepath.Join(dir, "top"))
		s.ok(err)
		if string(b) != fmt.Sprint(s.h.Depth-1) {
			s.Fatalf("top holds %q", b)
		}
	})
}

// many makes n files in directories of a hundred.
func many(n int, body func(i int) string) []Entry {
	var out []Entry
	for i := range n {
		dir := fmt.Sprintf("d%d", i/100)
		if i%100 == 0 {
			out = append(out, Dir(dir))
		}
		out = append(out, File(fmt.Sprintf("%s/f%d", dir, i), body(i)))
	}
	return out
}

func diffApply(s *suite) {
	n := s.h.Files
	s.layer("base", "", many(n, func(i int) string { return fmt.Sprintf("%064d", i) })...)
	s.container("child", "base")
	s.in("child", func(dir string) {
		later := time.Unix(1_600_000_000, 0)
		for i := 0; i < n; i += 10 {
			p := filepath.Join(dir, fmt.Sprintf("d%d/f%d", i/100, i))
			switch i / 10 % 3 {
			case 0:
				s.ok(os.WriteFile(p, fmt.Appendf(nil, "changed %d", i), 0o600))
				s.ok(os.Chtimes(p, later, later))
			case 1:
				s.ok(os.Remove(p))
			case 2:
				s.ok(os.WriteFile(p+".new", []byte("new"), 0o644))
			}
		}
	})
	s.travels("child", "base")
	size, err := s.d.DiffSize(s.ctx(), "child", "base")
	s.ok(err)
	var want int64
	changes := s.changes("child", "base")
	s.in("child", func(dir string) {
		for _, c := range changes {
			if fi, err := os.Lstat(filepath.Join(dir, c[2:])); err == nil && fi.Mode().IsRegular() {
				want += fi.Size()
			}
		}
	})
	if size != want {
		s.Fatalf("diff size %d, want %d", size, want)
	}
}

func changesOfMany(s *suite) {
	n := s.h.Files
	s.layer("base", "", many(n, func(i int) string { return fmt.Sprint(i) })...)
	s.layer("child", "base", File("d0/f7", "changed"), Whiteout("d0/f8"), File("d1/new", "x"))
	s.wantChanges("child", "base", "C /d0", "C /d0/f7", "D /d0/f8", "C /d1", "A /d1/new")
	if got := s.changes("base", ""); len(got) != n+(n+99)/100 || got[0][:2] != "A " {
		s.Fatalf("%d changes against nothing, first %q", len(got), got[0])
	}
}
