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
	seed  = flag.Uint64("seed", 1, "chooses the points, where not all are tried")
	lasts = flag.Duration("time", 0, "how long all tests may take together: they try as many points as fit in, evenly spread (0: all)")
	only  = flag.Int("point", 0, "try this point alone")
)

func TestMain(m *testing.M) {
	if os.Getenv(launchVar) != "" {
		launch()
	}
	flag.Parse()
	code := m.Run()
	figures.Lock()
	for _, line := range figures.lines {
		fmt.Println(line)
	}
	os.Exit(code)
}

// figures are printed when all has run.
var figures struct {
	sync.Mutex
	lines []string
}

func figure(format string, args ...any) {
	figures.Lock()
	defer figures.Unlock()
	figures.lines = append(figures.lines, "fault: "+fmt.Sprintf(format, args...))
}
