//go:build fault

package fault

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// interruption is a way in which a command comes to its end.
type interruption struct {
	name    string
	verdict verdict
	cut     bool // the power, too
}

var (
	killed   = interruption{"kill", verdict{kill: true}, false}
	powerCut = interruption{"power cut", verdict{kill: true}, true}
)

func TestNothingIsLostWhereverACommandIsKilled(t *testing.T) { everywhere(t, 0.3, killed) }

func TestNothingIsLostWhereverThePowerIsCut(t *testing.T) { everywhere(t, 0.3, powerCut) }

// everywhere tries all scenarios, in a share of the time that there is.
func everywhere(t *testing.T, share float64, how ...interruption) {
	in := makeImages(t)
	all := scenarios()
	each := time.Duration(share * float64(*lasts) / float64(2*len(all)*len(how)))
	for _, s := range all {
		for _, driver := range []string{"overlay2", "vfs"} {
			t.Run(s.name+"/"+driver, func(t *testing.T) {
				began := time.Now()
				g := newGround(t, s, driver, in)
				prepared := time.Since(began) / time.Duration(len(how))
				for _, how := range how {
					g.tryAll(t, how, each-prepared)
				}
			})
		}
	}
}

// tryAll interrupts the command at every point, or at as many as there is time
// for, evenly spread.
func (g *ground) tryAll(t *testing.T, how interruption, budget time.Duration) {
	points := make([]int, 0, g.points)
	for n := 1; n <= g.points; n++ {
		points = append(points, n)
	}
	if *only > 0 {
		points = []int{*only}
	}
	began := time.Now()
	var mu sync.Mutex
	next, tried, losses := 0, 0, 0
	order := spread(points, *seed)
	var group sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) { // half of the time is waiting
		group.Go(func() {
			for {
				mu.Lock()
				if next == len(order) || *lasts > 0 && next > 0 && time.Since(began) > budget {
					mu.Unlock()
					return
				}
				n := order[next]
				next++
				mu.Unlock()
				wrong, at, reached := g.try(t, how, n)
				mu.Lock()
				if reached {
					tried++
				}
				if len(wrong) > 0 {
					losses++
					if losses > 5 {
						mu.Unlock()
						continue // the same again, most likely
					}
					t.Errorf("%s at point %v:\n  %s\nto see it again: go test -tags fault ./e2e/fault -run '^%s$' -point %d",
						how.name, at, strings.Join(wrong, "\n  "), strings.ReplaceAll(t.Name(), "/", "$/^"), n)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if tried == 0 {
		t.Errorf("none of %d points was reached", len(points))
	}
	figure("%s (%s), %s: %d of %d points, %d losses", g.name, g.driver, how.name, tried, g.points, losses)
}

// try interrupts the command at one point. reached is false if it came to its
// end before: not every run makes the same calls.
func (g *ground) try(t *testing.T, how interruption, n int) (wrong []string, at point, reached bool) {
	p, done := g.fresh(t, settings[n%len(settings)].options)
	defer done()
	out, err := run(p.command(g.in.words(g.command)...), p.disk.dir, func(at point) verdict {
		if at.n == n {
			return how.verdict
		}
		return verdict{}
	})
	if err != nil {
		return []string{err.Error()}, out.at, true
	}
	if how.cut {
		p.disk.cutPower()
	}
	return g.judge(p, out), out.at, out.at.n > 0
}

// spread puts points in an order in which any beginning of it is spread over
// all of them: by the bits of their index, backwards.
func spread(points []int, seed uint64) []int {
	bits := 0
	for 1<<bits < len(points) {
		bits++
	}
	type place struct{ point, key int }
	places := make([]place, len(points))
	for i, n := range points {
		key := 0
		for b := range bits {
			key = key<<1 | (i+int(seed))>>b&1
		}
		places[i] = place{n, key}
	}
	slices.SortStableFunc(places, func(a, b place) int { return a.key - b.key })
	for i, p := range places {
		points[i] = p.point
	}
	return points
}
