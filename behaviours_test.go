package bulkhead

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tested is a test as docs/behaviours.md names it: a package, then a test, and
// perhaps one of its cases.
var tested = regexp.MustCompile("`([a-z0-9/-]+)\\.([A-Z][A-Za-z0-9]*)(?:/([^`]+))?`")

// Every behaviour of docs/behaviours.md names tests of packages, and they are
// there.
func TestEveryBehaviourIsTested(t *testing.T) {
	doc, err := os.ReadFile("docs/behaviours.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{}
	rows := 0
	for _, row := range strings.Split(string(doc), "\n") {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, "| behaviour |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(row, "| "), " | ")
		if len(cells) != 2 {
			t.Fatalf("%d cells: %s", len(cells), row)
		}
		names := tested.FindAllStringSubmatch(cells[1], -1)
		if left := strings.Trim(tested.ReplaceAllString(cells[1], ""), ", "); len(names) == 0 || left != "" {
			t.Errorf("tests that cannot be read, %q, of: %s", left, row)
		}
		for _, n := range names {
			if why := lacks(t, sources, n[1], n[2], n[3]); why != "" {
				t.Errorf("%s, of: %s", why, row)
			}
		}
	}
	if rows < 80 {
		t.Errorf("%d behaviours", rows)
	}
}

// lacks tells what of a test is not there. Cases are looked for as the texts
// that name them.
func lacks(t *testing.T, sources map[string]string, dir, test, one string) string {
	t.Helper()
	suite := dir == "graphdriver/graphtest" && !strings.HasPrefix(test, "Test")
	pattern := "*_test.go"
	if suite {
		pattern = "*.go"
	}
	if sources[dir] == "" {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sources[dir] += string(text)
		}
	}
	want := "\nfunc " + test + "(t *testing.T) {"
	if suite {
		want = "{name: " + strconv.Quote(test) + ","
	}
	if !strings.Contains(sources[dir], want) {
		return "there is no " + dir + "." + test
	}
	if one != "" && !strings.Contains(sources[dir], strconv.Quote(one)) {
		return dir + "." + test + " has no case " + one
	}
	return ""
}
