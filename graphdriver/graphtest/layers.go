package graphtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// layerCases are about what layers do to each other.
func layerCases() []testCase {
	return []testCase{
		{name: "DiffToAnyAncestorAndToNone", run: anyAncestor},
		{name: "AChangeThatKeepsSizeAndMtimeIsSeen", run: sameSizeAndTime},
		{name: "Whiteouts", run: whiteouts},
		{name: "OpaqueDirectories", run: opaques},
		{name: "RecreatedDirectories", run: recreated},
		{name: "TypesReplaceEachOther", run: typesReplaced},
		{name: "ImpliedDirectories", run: implied},
		{name: "ASecondPathToAFileReplacesIt", run: replacedThroughLinks},
		{name: "EmptyLayers", run: emptyLayers},
	}
}

func anyAncestor(s *suite) {
	s.layer("l0", "", append(base(), Dir("keep"), File("keep/a", "0"), File("keep/b", "0"), File("gone", "0"))...)
	s.layer("l1", "l0", File("keep/a", "1"), Whiteout("gone"), Dir("new"), File("new/x", "1"))
	s.layer("l2", "l1", File("keep/b", "2"), Whiteout("keep/a"), File("gone", "back"), Whiteout("new"), Dir("etc"), Opaque("etc"))
	s.layer("l3", "l2", Dir("new"), File("new/y", "3"), File("keep/a", "0"), Whiteout("usr/bin/tool"))
	for _, ancestor := range []string{"l2", "l1", "l0", ""} {
		s.travels("l3", ancestor)
		for _, line := range s.changes("l3", ancestor) {
			if strings.Contains(line, ".wh.") {
				s.Errorf("a whiteout's name among changes: %s", line)
			}
		}
	}
	s.travels("l2", "")
	s.travels("l1", "l0")
}

func sameSizeAndTime(s *suite) {
	s.layer("l0", "", File("f", "aaaa"), File("g", "aaaa"), Symlink("s", "aaaa"), File("same", "aaaa"))
	s.layer("l1", "l0", File("f", "bbbb"))
	s.layer("l2", "l1", File("other", "x"))
	s.container("l3", "l2")
	s.in("l3", func(dir string) {
		p := filepath.Join(dir, "g")
		s.ok(os.WriteFile(p, []byte("bbbb"), 0o644))
		s.ok(os.Chtimes(p, Epoch, Epoch))
	})
	s.wantChanges("l1", "l0", "C /f")
	s.wantChanges("l2", "l0", "C /f", "A /other")
	s.wantChanges("l3", "l2", "C /g")
	s.wantChanges("l3", "l0", "C /f", "C /g", "A /other")
	for _, pair := range [][2]string{{"l1", "l0"}, {"l2", "l0"}, {"l3", "l2"}, {"l3", "l0"}, {"l3", ""}} {
		s.travels(pair[0], pair[1])
	}
	s.layer("l4", "l3", Symlink("s", "bbbb"))
	s.wantChanges("l4", "l3", "C /s")
	s.restart()
	s.wantChanges("l3", "l2", "C /g")
	s.wantChanges("l2", "l0", "C /f", "A /other")
}

func (s *suite) has(id string, want ...string) {
	s.Helper()
	got := s.tree(id)
	for _, p := range want {
		if _, ok := got[p]; !ok {
			s.Errorf("%s lacks %s", id, p)
		}
	}
	if len(got) != len(want) {
		s.Errorf("%s has %d names, want %d: %v", id, len(got), len(want), got)
	}
}

func whiteouts(s *suite) {
	s.layer("l0", "", File("f", "1"), Dir("d"), File("d/a", "1"), Dir("d/e"), File("d/e/b", "1"), Symlink("s", "d"), Dir("t"), File("t/a", "1"), File("wh.txt", "1"))
	s.layer("l1", "l0", Whiteout("f"), Whiteout("d/e"), Whiteout("s"), Whiteout("nothing"), Whiteout("no/such/dir"), Whiteout("t/a"))
	s.has("l1", "d", "d/a", "t", "wh.txt")
	s.wantChanges("l1", "l0", "C /d", "D /d/e", "D /f", "D /s", "C /t", "D /t/a")
	s.travels("l1", "l0")
	s.layer("l2", "l1", File("f", "2"), Whiteout("d"), Whiteout("t"), Dir("t2"))
	s.has("l2", "f", "t2", "wh.txt")
	s.travels("l2", "l1")
	s.travels("l2", "l0")
	for _, n := range names(s.T, s.diff("l1", "l0")) {
		if n == "f" || n == ".wh.wh.txt" {
			s.Errorf("%q in the diff", n)
		}
	}
}

func opaques(s *suite) {
	low := []Entry{Dir("d"), File("d/old", "1"), Dir("d/sub"), File("d/sub/old", "1"), Dir("other"), File("other/x", "1")}
	s.layer("l0", "", low...)
	s.layer("marker-first", "l0", Dir("d"), Opaque("d"), File("d/new", "2"))
	s.has("marker-first", "d", "d/new", "other", "other/x")
	s.layer("marker-last", "l0", Dir("d"), File("d/new", "2"), Dir("d/sub"), File("d/sub/new", "2"), Opaque("d"))
	s.has("marker-last", "d", "d/new", "d/sub", "d/sub/new", "other", "other/x")
	s.layer("nested", "l0", Dir("d"), Dir("d/sub"), Opaque("d/sub"), File("d/sub/new", "2"))
	s.has("nested", "d", "d/old", "d/sub", "d/sub/new", "other", "other/x")
	s.layer("absent", "l0", Opaque("fresh"), File("fresh/x", "1"))
	if _, ok := s.tree("absent")["fresh/x"]; !ok {
		s.Error("an opaque marker for a directory that is not there lost what follows")
	}
	s.layer("twice", "marker-first", Dir("d"), Opaque("d"))
	s.has("twice", "d", "other", "other/x")
	for _, id := range []string{"marker-first", "marker-last", "nested"} {
		s.travels(id, "l0")
	}
	s.travels("twice", "l0")
}

func recreated(s *suite) {
	s.layer("l0", "", Dir("d"), File("d/a", "1"), Dir("d/sub"), File("d/sub/b", "1"))
	s.layer("gone", "l0", Whiteout("d"))
	s.layer("back", "gone", Dir("d").Mode(0o700), File("d/c", "2"))
	s.has("back", "d", "d/c")
	s.layer("at-once", "l0", Whiteout("d"), Dir("d").Mode(0o700), File("d/c", "2"))
	s.has("at-once", "d", "d/c")
	s.layer("other-inside", "l0", Dir("d"), Opaque("d"), Dir("d/sub"), File("d/sub/z", "3"))
	s.has("other-inside", "d", "d/sub", "d/sub/z")
	for _, id := range []string{"back", "at-once", "other-inside"} {
		s.travels(id, "l0")
	}
	s.travels("back", "gone")
}

func typesReplaced(s *suite) {
	s.layer("l0", "",
		Dir("dir-file"), File("dir-file/x", "1"), File("file-dir", "1"), Dir("dir-link"), File("dir-link/x", "1"),
		Symlink("link-dir", "dir-link"), Symlink("link-file", "nowhere"), File("file-link", "1"), Dir("dir-empty"))
	s.layer("l1", "l0",
		File("dir-file", "now a file"), Dir("file-dir"), File("file-dir/x", "2"), Symlink("dir-link", "file-dir"),
		Dir("link-dir"), File("link-dir/y", "2"), File("link-file", "2"), Symlink("file-link", "dir-file"), File("dir-empty", ""))
	s.has("l1", "dir-file", "file-dir", "file-dir/x", "dir-link", "link-dir", "link-dir/y", "link-file", "file-link", "dir-empty")
	if n := s.tree("l1")["link-dir"]; n.Mode&0o170000 != 0o040000 {
		s.Errorf("a directory in a symlink's place is %#o", n.Mode)
	}
	s.travels("l1", "l0")
	s.travels("l1", "")
	for _, line := range []string{"C /dir-file", "C /file-dir", "C /dir-link", "C /link-dir"} {
		if !strings.Contains(fmt.Sprint(s.changes("l1", "l0")), line) {
			s.Errorf("no %q among %v", line, s.changes("l1", "l0"))
		}
	}
}

func implied(s *suite) {
	s.layer("l0", "", Dir("have").Mode(0o711).At(time.Unix(1000, 5)), File("have/x", "1"))
	s.layer("l1", "l0", File("a/b/c", "1"), File("have/y", "2"))
	got := s.tree("l1")
	for _, p := range []string{"a", "a/b"} {
		if m := got[p].Mode & 0o7777; m != 0o755 {
			s.Errorf("%s has mode %#o", p, m)
		}
	}
	if m := got["have"].Mode & 0o7777; m != 0o711 {
		s.Errorf("a directory that was there has mode %#o", m)
	}
	s.create("again", "l0")
	_, err := s.apply("again", "l0", File("a/b/c", "1"), File("have/y", "2"))
	s.ok(err)
	if d := Differences(got, s.tree("again")); len(d) > 0 {
		s.Errorf("the same archive made another tree: %v", d)
	}
}

// A file of a lower layer may be replaced through a symlinked directory.
func replacedThroughLinks(s *suite) {
	s.layer("l0", "", Dir("lib"), File("lib/x", "1"), Symlink("alias", "lib"))
	s.layer("l1", "l0", File("alias/x", "2"), File("alias/y", "2"))
	if s.deltas() {
		s.has("l1", "lib", "lib/x", "alias", "alias/x", "alias/y")
		s.wantChanges("l1", "l0", "C /alias", "A /alias/x", "A /alias/y")
	} else {
		s.has("l1", "lib", "lib/x", "lib/y", "alias")
		s.wantChanges("l1", "l0", "C /lib", "C /lib/x", "A /lib/y")
	}
	s.travels("l1", "l0")
}

func emptyLayers(s *suite) {
	s.layer("l0", "")
	s.layer("l1", "l0")
	s.wantChanges("l1", "l0")
	if n := names(s.T, s.diff("l1", "l0")); len(n) > 0 {
		s.Errorf("the diff of nothing holds %v", n)
	}
	size, err := s.d.ApplyDiff(s.ctx(), "l1", "l0", bytes.NewReader(nil))
	if err != nil || size != 0 {
		s.Errorf("an archive of no bytes: %d, %v", size, err)
	}
}
