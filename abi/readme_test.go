package abi

import (
	"encoding/hex"
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the examples into README.md")

// examples are the worked examples of README.md, by the name after "hex".
func examples() map[string][]byte {
	m := make(map[string][]byte)
	b := AppendFieldString(nil, FieldID, "c1")
	m["create-args"] = AppendFieldString(b, FieldParent, "c0")
	m["get-result"] = AppendFieldSpec(nil, DirSpec("dir/c1"))
	m["overlay-spec"] = AppendFieldSpec(nil, Spec{Kind: SpecOverlay, Flags: SpecWritable, Paths: []string{"c1/diff", "c1/work", "c0/diff"}})
	m["entry"] = AppendEntry(nil, &Entry{
		Index: 3, Size: 1234, MtimeSec: 1_600_000_000, MtimeNsec: 500, Mode: 0o4755,
		UID: 1000, GID: 100, Kind: EntryFile, Attrs: 1, Path: []byte("usr/bin/sudo"),
	})
	m["attr"] = AppendAttr(nil, "user.mime", "text/plain")
	m["list"] = AppendList(nil, List{Flags: ListAttrs, Tag: 5, Base: 0x100000001, Path: []byte("etc")})
	m["list-pair"] = AppendListPair(nil, ListPair{
		Flags: ListAttrs, Tag: 5, Old: 0x100000001, New: 0x100000002,
		CreatedSec: 1_700_000_000, CreatedNsec: 9, CreatedKnown: true, Path: []byte("etc"),
	})
	m["dir-begin"] = AppendDirMark(nil, RecDirBegin, DirMark{Tag: 5, Code: NotFound})
	m["name"] = AppendName(nil, &Name{
		Ino: 131, Size: 7, MtimeSec: 1_600_000_000, CtimeSec: 1_700_000_000, MtimeNsec: 1, CtimeNsec: 2,
		Mode: 0o100644, UID: 0, GID: 42, Nlink: 1, Attrs: 0xfeed, Name: []byte("shadow"),
	})
	m["action"] = AppendAction(nil, Action{Act: ActApply, Count: 480, First: 960, Base: 0x100000001})
	m["pair"] = AppendPair(nil, Pair{BaseA: 0x100000001, BaseB: 0x100000002, PathA: []byte("etc/passwd")})
	m["emit"] = AppendEmit(nil, Emit{Kind: EmitFile, Base: 0x100000001, Path: []byte("etc/passwd")})
	m["change"] = AppendChange(nil, Change{Kind: ChangeDeleted, Path: []byte("etc/motd")})
	return m
}

func TestReadmeShowsWhatTheCodeEncodes(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	left := examples()
	block := regexp.MustCompile("(?s)```hex ([a-z-]+)\n(.*?)```")
	out := block.ReplaceAllStringFunc(string(text), func(s string) string {
		m := block.FindStringSubmatch(s)
		bytes, ok := left[m[1]]
		if !ok {
			t.Errorf("example %s is unknown, or there twice", m[1])
			return s
		}
		delete(left, m[1])
		want := hex.Dump(bytes)
		if m[2] != want && !*update {
			t.Errorf("example %s:\n%swant\n%s", m[1], m[2], want)
		}
		return "```hex " + m[1] + "\n" + want + "```"
	})
	for name := range left {
		t.Errorf("example %s is missing", name)
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The tables of README.md name every export, import, field and code.
func TestReadmeNamesEverything(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for m := Method(0); m < MethodCount; m++ {
		row := regexp.MustCompile(`(?m)^\| (\d+) \| .` + m.Export() + `. \|.*\| (yes|no) \| (yes|no) \|$`).FindStringSubmatch(text)
		if row == nil {
			t.Errorf("no row for %s", m.Export())
			continue
		}
		if row[1] != strconv.Itoa(int(m)) || (row[2] == "yes") != m.Mutates() {
			t.Errorf("%s: %v", m.Export(), row)
		}
	}
	names, err := os.ReadFile("names.go")
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`Import\w+ += "(\w+)"`).FindAllStringSubmatch(string(names), -1)
	if len(imports) != 33 {
		t.Errorf("%d imports", len(imports))
	}
	for _, im := range imports {
		if !strings.Contains(text, "\n| `"+im[1]+"` | `(") {
			t.Errorf("no signature of %s", im[1])
		}
	}
	for c := OK; c.Known(); c-- {
		if !regexp.MustCompile(`(?m)^\| ` + strconv.Itoa(int(c)) + ` \| [A-Z]\w+ \|`).MatchString(text) {
			t.Errorf("no row for code %d", c)
		}
	}
}
