package graphtest

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// contentCases are about what one name carries.
func contentCases() []testCase {
	return []testCase{
		{name: "TimesToTheNanosecondAndBefore1970", run: times},
		{name: "NamesThatAreNotUTF8", run: rawNames},
		{name: "LongNames", run: longNames},
		{name: "ExtendedAttributes", run: userXattrs},
		{name: "FileCapabilities", run: capabilities},
		{name: "OwnersAndModes", run: owners},
		{name: "DevicesAndFifos", run: devices},
		{name: "ADiffSaysWhatTheArchiveSaid", run: saysTheSame},
		{name: "WhatIsChangedByHandIsSeen", run: byHand},
		{name: "LargeFiles", run: largeFiles},
		{name: "ManyEntriesOfEveryKind", run: manyKinds},
	}
}

func times(s *suite) {
	old := time.Unix(-86400*365*10, 123456789)
	s.layer("l0", "",
		Dir("d").At(time.Unix(1, 1)), File("d/ns", "x").At(time.Unix(1_234_567_890, 987_654_321)), File("d/old", "x").At(old),
		Symlink("d/link", "ns").At(time.Unix(5, 7)), File("late", "x").At(time.Unix(4_000_000_000, 1)))
	s.layer("l1", "l0", File("d/more", "x"))
	got := s.tree("l1")
	for p, want := range map[string]time.Time{
		"d/ns": time.Unix(1_234_567_890, 987_654_321), "d/old": old, "d/link": time.Unix(5, 7), "late": time.Unix(4_000_000_000, 1),
	} {
		if w := want.UTC().Format(time.RFC3339Nano); got[p].Mtime != w {
			s.Errorf("%s has time %s, want %s", p, got[p].Mtime, w)
		}
	}
	if w := time.Unix(1, 1).UTC().Format(time.RFC3339Nano); s.tree("l0")["d"].Mtime != w {
		s.Errorf("a directory that was filled has time %s, want %s", s.tree("l0")["d"].Mtime, w)
	}
	s.travels("l1", "")
	s.travels("l1", "l0")
	s.container("touched", "l0")
	s.in("touched", func(dir string) {
		s.ok(os.Chtimes(filepath.Join(dir, "d/ns"), time.Unix(0, 0), time.Unix(1_234_567_890, 987_654_320)))
	})
	s.wantChanges("touched", "l0", "C /d", "C /d/ns")
	s.travels("touched", "l0")
}

func rawNames(s *suite) {
	s.layer("l0", "", Dir("d\xff"), File("d\xff/f\xfe\x80", "1"), File("plain", "1"), File("new\nline", "1"), Symlink("s\xc0", "t\xc1"), File("naïve файл", "1"))
	s.layer("l1", "l0", File("d\xff/f\xfe\x80", "2"), Whiteout("s\xc0"), File("\x01\x7f", "1"))
	s.wantChanges("l1", "l0", "A /\x01\x7f", "C /d\xff", "C /d\xff/f\xfe\x80", "D /s\xc0")
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func longNames(s *suite) {
	part := strings.Repeat("n", 255)
	deep := strings.TrimSuffix(strings.Repeat("dir/", 200), "/")
	s.layer("l0", "", File(part, "1"), File(deep+"/f", "1"), File(part+"/"[:0]+"x"[:0]+"y", "1").With(func(e *Entry) { e.Name = strings.Repeat("m", 254) }),
		Symlink("far", strings.Repeat("t/", 2000)))
	s.layer("l1", "l0", File(deep+"/g", "2"), Whiteout(strings.Repeat("m", 254-4)))
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func userXattrs(s *suite) {
	s.layer("l0", "", File("f", "1").Xattr("user.a", "1"), Dir("d").Xattr("user.dir", "x"), File("plain", "1"))
	s.layer("l1", "l0", File("f", "1").Xattr("user.a", "2").Xattr("user.bin", "a\x00b\xff"), File("plain", "1").Xattr("user.new", "v"))
	s.wantChanges("l1", "l0", "C /f", "C /plain")
	if got := s.tree("l1")["f"].Xattrs; got != "user.a=32 user.bin=610062ff" {
		s.Errorf("attributes %q", got)
	}
	s.layer("l2", "l1", Dir("d"), File("f", "1"))
	s.travels("l1", "l0")
	s.travels("l2", "l0")
	s.travels("l2", "")
}

// netBind is cap_net_bind_service=ep, revision 2.
const netBind = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func capabilities(s *suite) {
	s.layer("l0", "", File("plain", "x").Mode(0o755), File("with", "x").Mode(0o755).Xattr("security.capability", netBind))
	s.layer("l1", "l0", File("plain", "x").Mode(0o755).Xattr("security.capability", netBind), File("with", "x").Mode(0o755))
	s.wantChanges("l1", "l0", "C /plain", "C /with")
	if got := s.tree("l1")["plain"].Xattrs; !strings.HasPrefix(got, "security.capability=01000002") {
		s.Errorf("attributes %q", got)
	}
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func owners(s *suite) {
	s.layer("l0", "", File("f", "1").Owner(1000, 1001).Mode(0o6755), Dir("d").Owner(7, 8).Mode(0o3770), Symlink("s", "f").Owner(9, 10), File("big", "1").Owner(1<<31, 1<<31+5))
	got := s.tree("l0")
	if n := got["f"]; n.UID != 1000 || n.GID != 1001 || n.Mode&0o7777 != 0o6755 {
		s.Errorf("f: %+v", n)
	}
	if n := got["s"]; n.UID != 9 || n.GID != 10 {
		s.Errorf("s: %+v", n)
	}
	if n := got["big"]; n.UID != 1<<31 {
		s.Errorf("big: %+v", n)
	}
	s.layer("l1", "l0", File("d/in-setgid", "1").Owner(0, 0), File("f", "1").Owner(1000, 1002).Mode(0o6755))
	if n := s.tree("l1")["d/in-setgid"]; n.GID != 0 {
		s.Errorf("a file in a setgid directory: %+v", n)
	}
	s.wantChanges("l1", "l0", "C /d", "A /d/in-setgid", "C /f")
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func devices(s *suite) {
	s.layer("l0", "", Node(tar.TypeFifo, "fifo", 0, 0).Mode(0o622), Node(tar.TypeChar, "null", 1, 3).Mode(0o666), Node(tar.TypeBlock, "loop", 7, 1000))
	got := s.tree("l0")
	if n := got["null"]; n.Mode != 0o020666 || n.Rdev != 1<<8|3 {
		s.Errorf("null: %+v", n)
	}
	s.layer("l1", "l0", Node(tar.TypeChar, "null", 1, 5).Mode(0o666), Whiteout("fifo"), Link("null2", "loop"))
	s.wantChanges("l1", "l0", "D /fifo", "C /loop", "C /null", "A /null2")
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func saysTheSame(s *suite) {
	euid, egid := os.Geteuid(), os.Getegid()
	entries := []Entry{
		Dir("d").Owner(1, 2).Mode(0o2750), File("d/closed", "x").Owner(3, 4).Mode(0), File("d/suid", "x").Mode(0o4711), File("mine", "x").Owner(euid, egid).Mode(0o6400),
		Dir("sealed").Mode(0o111), File("sealed/f", "x").Mode(0o444), Symlink("s", "suid").Owner(5, 6), Link("d/s", "s").Owner(5, 6).Mode(0o777), Symlink("mine.s", "mine").Owner(euid, egid),
		Node(tar.TypeChar, "c", 5, 1).Owner(0, 5).Mode(0o620), Node(tar.TypeBlock, "b", 259, 70000).Mode(0o660), Node(tar.TypeFifo, "p", 0, 0).Mode(0o600), Link("d/c", "c").Owner(0, 5).Mode(0o620),
		File("able", "x").Xattr("security.capability", netBind).Xattr("user.x", "1"), File("trusted", "x").Xattr("trusted.x", "1"), Dir("trusted.d").Xattr("trusted.y", "2"),
	}
	s.layer("l0", "", entries...)
	want := TreeOf(s.T, Archive(s.T, entries...))
	s.create("child", "l0")
	for _, id := range []string{"l0", "child"} {
		got := TreeOf(s.T, s.diff(id, "")) // in the order of names, as the archive
		if d := Differences(want, got); len(d) > 0 {
			s.Errorf("%s: %v", id, d)
		}
	}
	s.wantChanges("child", "l0")
	// Nothing but the metadata of each changes.
	s.layer("l1", "l0", Dir("d").Owner(1, 3).Mode(0o2750), File("d/closed", "x").Owner(3, 4).Mode(0o400), Symlink("mine.s", "mine").Owner(5, 7),
		Node(tar.TypeBlock, "b", 259, 70001).Mode(0o660), File("able", "x").Xattr("user.x", "1"), Dir("trusted.d").Xattr("trusted.y", "3"))
	s.wantChanges("l1", "l0", "C /able", "C /b", "C /d", "C /d/closed", "C /mine.s", "C /trusted.d")
	s.travels("l1", "l0")
	s.restart()
	s.travels("l1", "")
}

func byHand(s *suite) {
	s.layer("l0", "", Dir("d").Mode(0o700), File("d/f", "x").Owner(1, 1).Mode(0o4755), File("g", "x").Mode(0o644), Symlink("d/s", "f").Owner(1, 1), File("same", "x").Owner(2, 2).Mode(0o600))
	s.container("rw", "l0")
	s.in("rw", func(dir string) {
		s.ok(os.Chmod(filepath.Join(dir, "d/f"), 0o640))
		s.ok(os.Chmod(filepath.Join(dir, "d"), 0o750))
		s.ok(os.Remove(filepath.Join(dir, "d/s")))
		s.ok(os.Symlink("elsewhere", filepath.Join(dir, "d/s")))
		s.ok(os.Rename(filepath.Join(dir, "g"), filepath.Join(dir, "h")))
	})
	s.wantChanges("rw", "l0", "C /d", "C /d/f", "C /d/s", "D /g", "A /h")
	got := s.tree("rw")
	if n := got["d/f"]; n.Mode&0o7777 != 0o640 || n.UID != 1 {
		s.Errorf("d/f: %+v", n)
	}
	if n := got["d/s"]; n.Content != "elsewhere" || n.UID != uint32(os.Geteuid()) {
		s.Errorf("d/s: %+v", n)
	}
	if n := got["h"]; n.Mode&0o7777 != 0o644 || n.UID != 0 {
		s.Errorf("h: %+v", n)
	}
	s.travels("rw", "l0")
	s.travels("rw", "")
}

func largeFiles(s *suite) {
	big := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	s.layer("l0", "", File("small", "x"), File("big", big), File("after", "y"), File("just", big[:1<<20]), File("over", big[:1<<20+1]), File("end", ""))
	changed := []byte(big)
	changed[len(changed)-1]++
	s.layer("l1", "l0", File("big", string(changed)))
	s.wantChanges("l1", "l0", "C /big")
	s.travels("l1", "l0")
	s.travels("l1", "")
}

func manyKinds(s *suite) {
	var entries []Entry
	for i := range 1500 {
		d := "d" + strings.Repeat("x", i%7)
		if i < 7 {
			entries = append(entries, Dir(d))
		}
		name := d + "/" + strings.Repeat("n", 1+i/7%100) + string(rune('a'+i%26)) + time.Duration(i).String()
		switch i % 5 {
		case 0, 1:
			entries = append(entries, File(name, strings.Repeat("b", i)))
		case 2:
			entries = append(entries, Symlink(name, "../"+d))
		case 3:
			entries = append(entries, File(name, "").Mode(0o600))
		default:
			entries = append(entries, Dir(name))
		}
	}
	s.layer("l0", "", entries...)
	if got := s.tree("l0"); len(got) != len(entries) {
		s.Errorf("%d names, want %d", len(got), len(entries))
	}
	s.travels("l0", "")
}
