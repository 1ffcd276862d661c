package hostile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/image/archive/hostile"
)

var update = flag.Bool("update", false, "write the list of archives into README.md")

const listBegins = "<!-- made by go test -update -->\n"

func TestReadmeListsTheCorpus(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	above, below, found := bytes.Cut(text, []byte(listBegins))
	if !found {
		t.Fatalf("README.md has no line %q", listBegins)
	}
	want := list()
	if *update {
		if err := os.WriteFile("README.md", append(above, listBegins+want...), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(below) != want {
		t.Error("README.md is not what the corpus is: run go test -update here")
	}
}

func list() string {
	var b strings.Builder
	cell := strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ")
	for _, g := range hostile.All() {
		fmt.Fprintf(&b, "\n## %s\n\n| archive | tries | known from | becomes |\n|---|---|---|---|\n", g.Name)
		for _, c := range g.Cases {
			verdict := string(c.Verdict)
			if c.Overlay != "" {
				verdict = fmt.Sprintf("%s; %s by overlay2", c.Verdict, c.Overlay)
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell.Replace(c.Name), cell.Replace(c.What), c.CVE, verdict)
		}
	}
	return b.String()
}

var cve = regexp.MustCompile(`^CVE-(199|20[0-2])\d-\d{4,7}$`)

func TestCasesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range hostile.Cases() {
		if seen[c.Name] || c.Name == "" || c.What == "" {
			t.Errorf("%q: named twice, or says nothing", c.Name)
		}
		seen[c.Name] = true
		if c.Verdict != hostile.Stored && c.Verdict != hostile.Refused {
			t.Errorf("%q: verdict %q", c.Name, c.Verdict)
		}
		if c.Verdict == hostile.Refused && c.Lands != "" || c.Verdict == hostile.Refused && c.Says == "" {
			t.Errorf("%q: what is refused says why, and lands nowhere", c.Name)
		}
		for n := range strings.SplitSeq(c.CVE, ", ") {
			if c.CVE != "" && !cve.MatchString(n) {
				t.Errorf("%q: %q is no number of a vulnerability", c.Name, n)
			}
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d archives", len(seen))
	}
}
