//go:build fault

package fault

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
)

var (
	seed    = flag.Uint64("seed", 1, "chooses the points, where not all are tried")
	lasts   = flag.Duration("time", 0, "how long all tests may take together: they try as many points as fit in, evenly spread (0: all)")
	crowded = flag.Duration("crowd", 0, "how long many processes work on one root at once, on each driver (0: as much of the time as is theirs)")
	only    = flag.Int("point", 0, "try this point alone")
)

func TestMain(m *testing.M) {
	if os.Getenv(launchVar) != "" {
		launch()
	}
	flag.Parse()
	code := m.Run()
	figures.print()
	os.Exit(code)
}

// figures are printed when all has run: what was done, in how many places,
// and how often something was lost.
var figures tally

type tally struct {
	sync.Mutex
	order []string
	of    map[string]*[3]int // places tried, places there are, losses
}

func (f *tally) add(what string, tried, of, losses int) {
	f.Lock()
	defer f.Unlock()
	if f.of == nil {
		f.of = map[string]*[3]int{}
	}
	n := f.of[what]
	if n == nil {
		n = new([3]int)
		f.of[what] = n
		f.order = append(f.order, what)
	}
	n[0], n[1], n[2] = n[0]+tried, n[1]+of, n[2]+losses
}

func (f *tally) print() {
	f.Lock()
	defer f.Unlock()
	all, losses := 0, 0
	for _, what := range f.order {
		n := f.of[what]
		some := ""
		if n[0] != n[1] {
			some = fmt.Sprintf(" (of %d)", n[1])
		}
		fmt.Printf("fault: %s: %d points%s, %d losses\n", what, n[0], some, n[2])
		all, losses = all+n[0], losses+n[2]
	}
	if all > 0 {
		fmt.Printf("fault: in all: %d points, %d losses (seed %d)\n", all, losses, *seed)
	}
}
