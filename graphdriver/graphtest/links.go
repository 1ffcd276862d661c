package graphtest

import (
	"os"
	"path/filepath"
	"time"
)

// linkCases are about hard links and symlinked parents.
func linkCases() []testCase {
	return []testCase{
		{name: "HardLinksWithinALayer", run: linksWithin},
		{name: "HardLinksToALowerLayer", run: linksToLower},
		{name: "NamesLinkedOtherwise", run: linkedOtherwise},
		{name: "ADirectorysOwnTimeTravels", run: directoryTimes},
		{name: "SymlinkedParents", run: symlinkedParents},
		{name: "SymlinksOutLeadNowhere", run: symlinksOut},
	}
}

func linksWithin(s *suite) {
	s.layer("l0", "", File("a", "1"), Link("b", "a"), Dir("d"), Link("d/c", "b"), Symlink("s", "a"), Link("s2", "s"))
	got := s.tree("l0")
	if got["a"].Group != got["b"].Group || got["a"].Group != got["d/c"].Group || got["s"].Group != got["s2"].Group {
		s.Errorf("groups are torn: %v", got)
	}
	s.travels("l0", "")
	s.create("child", "l0")
	if d := Differences(got, s.tree("child")); len(d) > 0 {
		s.Errorf("in a child: %v", d)
	}
	s.layer("l1", "l0", File("a", "2"))
	if got := s.tree("l1"); got["b"].Group == "a" || got["b"].Group != got["d/c"].Group {
		s.Errorf("replacing one name: %v", got)
	}
	if s.tree("l0")["a"].Content == s.tree("l1")["a"].Content {
		s.Error("a parent's file was written through")
	}
	s.travels("l1", "l0")
	s.travels("l1", "")
}

// Nothing but which names are of one file tells these trees apart.
func linkedOtherwise(s *suite) {
	s.layer("l0", "", File("a", "1"), Link("b", "a"), File("c", "1"), Link("d", "c"), File("e", "1"), Link("f", "e"))
	s.container("w", "l0")
	s.in("w", func(dir string) {
		at := func(name string) string { return filepath.Join(dir, name) }
		for _, pair := range [][2]string{{"a", "c"}, {"b", "d"}} {
			s.ok(os.Remove(at(pair[1])))
			s.ok(os.Link(at(pair[0]), at(pair[1])))
			s.ok(os.Chtimes(at(pair[0]), Epoch, Epoch))
		}
		s.ok(os.Chtimes(dir, Epoch, Epoch))
	})
	// b is a's other name here as long as a and b are not parted.
	s.in("w", func(dir string) {
		at := func(name string) string { return filepath.Join(dir, name) }
		for _, name := range []string{"b", "d"} {
			s.ok(os.Remove(at(name)))
		}
		s.ok(os.WriteFile(at("b"), []byte("1"), 0o644))
		s.ok(os.Chtimes(at("b"), Epoch, Epoch))
		s.ok(os.Link(at("b"), at("d")))
	})
	got := s.tree("w")
	if got["a"].Group != got["c"].Group || got["b"].Group != got["d"].Group || got["a"].Group == got["b"].Group {
		s.Fatalf("not what is to be tested: %v", got)
	}
	s.travels("w", "l0")
	s.travels("w", "")
}

func directoryTimes(s *suite) {
	s.layer("l0", "", Dir("d"), File("d/x", "1"), Dir("same"))
	s.container("w", "l0")
	s.in("w", func(dir string) {
		p := filepath.Join(dir, "d", "came-and-went")
		s.ok(os.WriteFile(p, nil, 0o644))
		s.ok(os.Remove(p))
		s.ok(os.Chtimes(filepath.Join(dir, "d"), Epoch, Epoch.Add(time.Hour)))
	})
	s.wantChanges("w", "l0") // as in moby: what happened to a directory's names is what changes it
	s.travels("w", "l0")
	for _, n := range names(s.T, s.diff("w", "l0")) {
		if n != "d/" {
			s.Errorf("%q in the diff", n)
		}
	}
}

func linksToLower(s *suite) {
	s.layer("l0", "", File("low", "1").Mode(0o600), Dir("d"), File("d/x", "2"), Symlink("alias", "d"))
	s.layer("l1", "l0", Link("up", "low"), Link("y", "alias/x"))
	got := s.tree("l1")
	if got["up"].Group != got["low"].Group || got["y"].Group != got["d/x"].Group {
		s.Errorf("groups: %v", got)
	}
	s.travels("l1", "l0")
	s.travels("l1", "")
	if n := s.tree("l0")["low"]; n.Group != "low" {
		s.Errorf("the parent: %+v", n)
	}
	s.container("w", "l1")
	s.in("w", func(dir string) {
		s.ok(os.WriteFile(filepath.Join(dir, "up"), []byte("changed"), 0o600))
	})
	if s.tree("l0")["low"].Size != 1 || s.tree("l1")["up"].Size != 1 {
		s.Error("a child's write reached the parent's file")
	}
}

func symlinkedParents(s *suite) {
	s.layer("l0", "", Dir("real"), Dir("real/sub"), Symlink("rel", "real"), Symlink("abs", "/real"), Symlink("chain", "rel"), Symlink("real/up", ".."))
	s.layer("l1", "l0", File("rel/a", "1"), File("abs/b", "1"), File("chain/sub/c", "1"), File("real/up/d", "1"), Dir("abs/newdir"), File("abs/newdir/e", "1"), Symlink("rel/s", "x"))
	if s.deltas() {
		s.has("l1", "real", "real/sub", "rel", "rel/a", "rel/s", "abs", "abs/b", "abs/newdir", "abs/newdir/e", "chain", "chain/sub", "chain/sub/c", "real/up", "real/up/d")
		s.travels("l1", "l0")
		s.travels("l1", "")
		symlinkedWithin(s)
		return
	}
	s.has("l1", "real", "real/sub", "rel", "abs", "chain", "real/up", "real/a", "real/b", "real/sub/c", "d", "real/newdir", "real/newdir/e", "real/s")
	s.travels("l1", "l0")
	s.layer("l2", "l1", Whiteout("rel/a"), Whiteout("abs/newdir"), Opaque("chain/sub"))
	s.has("l2", "real", "real/sub", "rel", "abs", "chain", "real/up", "real/b", "d", "real/s")
	s.travels("l2", "l0")
	symlinkedWithin(s)
}

// A link within one and the same archive counts too.
func symlinkedWithin(s *suite) {
	s.layer("l3", "", Dir("x"), Symlink("to", "/x"), File("to/f", "1"))
	s.has("l3", "x", "x/f", "to")
}

func symlinksOut(s *suite) {
	outside := s.TempDir()
	s.ok(os.WriteFile(filepath.Join(outside, "canary"), []byte("alive"), 0o600))
	up := "../../../../../../../../../../../.."
	s.layer("l0", "",
		Symlink("abs", outside), Symlink("rel", up+outside), Symlink("proc", "/proc/self/root"), Symlink("dots", up), Dir("tmp"))
	for i, e := range [][]Entry{
		{File("abs/x", "1")}, {File("rel/x", "1")}, {File("proc"+outside+"/x", "1")}, {File("dots"+outside+"/x", "1")},
		{Whiteout("abs/canary")}, {Whiteout("dots" + outside + "/canary")}, {Opaque("abs")}, {Opaque("rel")},
		{Link("stolen", "abs/canary")}, {Dir("abs/d")}, {Symlink("rel/s", "x")}, {File("abs", "1")}, {Dir("dots")},
	} {
		id := "out-" + string(rune('a'+i))
		s.create(id, "l0")
		// Some of these make the path within the layer, some are refused:
		// what counts is that nothing happens outside.
		_, err := s.apply(id, "l0", e...)
		if err == nil {
			s.travels(id, "l0")
		}
		b, rerr := os.ReadFile(filepath.Join(outside, "canary"))
		entries, _ := os.ReadDir(outside)
		if rerr != nil || string(b) != "alive" || len(entries) != 1 {
			s.Fatalf("%v reached outside: %v, %v", e[0].Name, entries, rerr)
		}
		s.ok(s.d.Remove(s.ctx(), id))
	}
}
