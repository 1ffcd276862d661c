//go:build fault

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// moments is how many of them are tried with a real image.
const moments = 500

// A real image is loaded and removed, and interrupted at random moments by
// kills and power cuts in turn.
func TestARealImageIsNotLostAtRandomMoments(t *testing.T) {
	in := makeImages(t)
	var err error
	if in.debian, err = filepath.Abs("../../../shared/images/debian-slim.oci.tar"); err == nil {
		_, err = os.Stat(in.debian)
	}
	if err != nil {
		t.Skipf("the Debian image is not here: %v", err)
	}
	grounds := []*ground{}
	drivers := []string{"overlay2", "vfs"}
	if *lasts > 0 && *lasts < 10*time.Minute {
		drivers = drivers[:1] // the other one's copies take too long
	}
	for _, driver := range drivers {
		for _, s := range []scenario{
			{name: "load of debian-slim", prepare: []string{"image load -q -i %keeper"}, command: "image load -q -i %debian"},
			{name: "rm of debian-slim", prepare: []string{"image load -q -i %debian", "image load -q -i %keeper"}, command: "image rm debian-slim:1", finish: "image prune --force"},
		} {
			grounds = append(grounds, newGroundOn(t, newDisk(t, "ext4", settings["ext4"][0], 1200<<20), s, driver, in))
		}
	}
	ways := interruptions()[:2]
	chance := rand.New(rand.NewPCG(*seed, *seed))
	began := time.Now()
	var mu sync.Mutex
	var group sync.WaitGroup
	tried := 0
	for range 3 {
		group.Go(func() {
			for {
				mu.Lock()
				if tried == moments || *lasts > 0 && tried > 0 && time.Since(began) > share(0.1) {
					mu.Unlock()
					return
				}
				i := tried
				tried++
				// vfs copies each layer whole, and so does this test: less of it.
				g, how := grounds[i/len(ways)%2], ways[i%len(ways)]
				if i%8 >= 6 && len(drivers) > 1 {
					g = grounds[2+i/8%2]
				}
				n := 1 + chance.IntN(g.points)
				mu.Unlock()
				wrong, at := g.moment(t, how, n, i%10 == 0)
				lost := 0
				if len(wrong) > 0 {
					lost = 1
					t.Errorf("%s of %s (%s) at point %v:\n  %s", how.name, g.name, g.driver, at, strings.Join(wrong, "\n  "))
				}
				figures.add(fmt.Sprintf("%s, %s", g.name, how.name), 1, 1, lost)
			}
		})
	}
	group.Wait()
	t.Logf("%d moments", tried)
}

// moment is try at a point of many; only some of the time the command is run
// again.
func (g *ground) moment(t *testing.T, how interruption, n int, again bool) (wrong []string, at point) {
	p, done := g.fresh(t, g.disk.optionsAt(n))
	defer done()
	out, err := how.run(g, p, n)
	if err != nil {
		return []string{err.Error()}, out.at
	}
	if wrong = g.asFound(p, out); len(wrong) == 0 && again {
		wrong = g.again(p)
	}
	return wrong, out.at
}
