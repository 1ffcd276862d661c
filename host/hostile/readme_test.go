package hostile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write README.md anew")

const introduction = `# Hostile drivers

Each of these tries to get more from its host than a driver is given, or to make it say what is not so. They are public
so that a reader can judge what was tried, and add what was not. ` + "`go test ./host`" + ` runs them all.

An attack of the Go driver ([guest](guest)) is made when that driver is asked about a layer called ` + "`x.<attack>`" + `; about any
other layer it is honest. Modules that are wrong as such are put together by [assemble](assemble). Beside them runs an
honest driver, which must answer the same before and after.

The verdict is how the call ends; *harmless* says that it may succeed, since it could do nothing. Whatever it is: the error
names the driver, the method, what was refused and, where there is one, the key of the configuration that would allow more;
the trees outside and the committed layers are as they were, to their times; the next call is served; and in the end
there are as many goroutines and open files as before.

This file is written by ` + "`go test ./host/hostile -update`" + `.
`

func everyGroup() []Group {
	return append(Groups(),
		Group{"Loops", "guest/protocol_wasip1.go", Loops()},
		Group{"Budgets", "guest/budget_wasip1.go", Budgets()},
		Group{"Mounts", "guest/races_wasip1.go", Mounts()})
}

func markdown() string {
	var b strings.Builder
	b.WriteString(introduction)
	n := 0
	for _, g := range everyGroup() {
		fmt.Fprintf(&b, "\n## %s\n\nSource: [%s](%s)\n\n| attack | in | what it shows | verdict |\n|---|---|---|---|\n", g.Name, g.Source, g.Source)
		for _, c := range g.Cases {
			via := strings.Join(c.Via, ", ")
			if len(c.Via) == len(Methods()) {
				via = "every method"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.Attack, via, c.Claim, c.Verdict)
			n += len(c.Via)
		}
	}
	b.WriteString("\n## Modules\n\nSource: modules_\\*.go\n\n| module | in | what it shows | verdict |\n|---|---|---|---|\n")
	for _, m := range Modules() {
		via := m.Via
		if via == "" {
			via = "opening"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Name, via, m.Claim, m.Verdict)
		n++
	}
	b.WriteString("\n## What takes more than one call\n\n| test | what it shows | verdict |\n|---|---|---|\n")
	for _, s := range Scenarios() {
		fmt.Fprintf(&b, "| [%s](../%s) | %s | %s |\n", s.Test, s.Source, s.Claim, s.Verdict)
		n++
	}
	fmt.Fprintf(&b, "\n%d in all.\n", n)
	return b.String()
}

func TestTheReadmeListsTheCorpus(t *testing.T) {
	want := markdown()
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("README.md is not what the tables say; run go test ./host/hostile -update")
	}
}

// The lists are what the README promises; a name that is nowhere, or twice,
// would be a promise that nobody keeps.
func TestEveryNameIsThereOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range everyGroup() {
		for _, c := range g.Cases {
			for _, via := range c.Via {
				if key := c.Attack + " by " + via; seen[key] {
					t.Errorf("%s is listed twice", key)
				} else {
					seen[key] = true
				}
			}
			if c.Claim == "" || c.Verdict == "" || len(c.Via) == 0 {
				t.Errorf("%s: claim, verdict or method is missing", c.Attack)
			}
		}
	}
	for _, m := range Modules() {
		if seen["module "+m.Name] {
			t.Errorf("module %s is listed twice", m.Name)
		}
		seen["module "+m.Name] = true
	}
	for _, s := range Scenarios() {
		src, err := os.ReadFile(filepath.Join("..", s.Source))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(src), "func "+s.Test+"(") {
			t.Errorf("%s is not in %s", s.Test, s.Source)
		}
	}
}
