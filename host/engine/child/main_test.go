package child

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// freeVariable has this program try something without being locked.
const freeVariable = "BULKHEAD_TEST_FREE"

// How a process ends that tried something.
const (
	exitTrue    = 0 // it became /bin/true
	exitWorked  = 77
	exitRefused = 78
)

func TestMain(m *testing.M) {
	g := &guest{}
	g.attempt = g.instead
	g.main() // if this process is one that a module runs in
	if what := os.Getenv(freeVariable); what != "" {
		os.Exit(try(what))
	}
	os.Exit(m.Run())
}

// instead is what a child does at a stage: a module's name tells it what, and
// how that went is the exit status.
func (g *guest) instead(stage, name string) error {
	at, what, ok := strings.Cut(name, ": ")
	if of, ok := strings.CutPrefix(what, "lie "); ok && at == stage {
		lie(of)
	}
	switch {
	case !ok || at != stage:
		return nil
	case what == "ask":
		ask(g)
		return nil
	case what == "list":
		return errors.New(descriptors())
	}
	os.Exit(try(what))
	return nil
}

// try tries what "name argument" says.
func try(what string) int {
	name, argument, _ := strings.Cut(what, " ")
	for _, a := range attempts() {
		if a.name != name {
			continue
		}
		if err := a.do(argument); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitRefused
		}
		return exitWorked
	}
	panic("nobody tries " + what)
}
