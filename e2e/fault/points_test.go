//go:build fault

package fault

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNothingIsLost interrupts every command of the table in every way, at
// every point or at as many as there is time for.
func TestNothingIsLost(t *testing.T) {
	in := makeImages(t)
	in.registry = serve(t, in)
	all := scenarios()
	step := every(2*len(all), 0.5)
	each := share(0.5) * time.Duration(step) / time.Duration(2*len(all))
	turn := int(*seed)
	for i, s := range all {
		for k, driver := range []string{"overlay2", "vfs"} {
			if turn++; (2*i+k)%step != int(*seed)%step {
				continue
			}
			t.Run(s.name+"/"+driver, func(t *testing.T) {
				if in.registry == "" && strings.Contains(s.command, "%registry") {
					t.Skip("docker-registry is not installed (make deps)")
				}
				began := time.Now()
				g := newGround(t, s, driver, in)
				left := max(each-time.Since(began), 0)
				ways, weights := s.ways(), 0
				for _, how := range ways {
					weights += how.weight
				}
				for _, how := range inTurn(ways, turn, left) {
					t.Run(how.name, func(t *testing.T) { g.tryAll(t, how, left*time.Duration(how.weight)/time.Duration(weights)) })
				}
			})
		}
	}
}

// On xfs, which syncs less along with what it is told to than ext4 does, the
// power is cut under each of them.
func TestNothingIsLostByAPowerCutOnXFS(t *testing.T) {
	if known, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(known), "\txfs\n") {
		t.Skipf("this kernel has no xfs: %v", err)
	}
	if _, err := exec.LookPath("mkfs.xfs"); err != nil {
		t.Skip("mkfs.xfs is not installed (make deps)")
	}
	in := makeImages(t)
	in.registry = serve(t, in)
	all := scenarios()
	step := every(2*len(all), 0.1)
	cut := interruptions()[1]
	for i := int(*seed) % step; i < 2*len(all); i += step {
		s, driver := all[i/2], []string{"overlay2", "vfs"}[i%2]
		t.Run(s.name+"/"+driver, func(t *testing.T) {
			if in.registry == "" && strings.Contains(s.command, "%registry") {
				t.Skip("docker-registry is not installed (make deps)")
			}
			g := newGroundOn(t, newDisk(t, "xfs", settings["xfs"][0], smallest["xfs"]), s, driver, in)
			g.name += " on xfs"
			g.tryAll(t, cut, 2*time.Second)
		})
	}
}

// every is one where so many things have three seconds each of that part of
// the time; otherwise one of so many is done, in turn by the seed. It is odd,
// for both drivers to have their turn.
func every(things int, part float64) int {
	if *lasts == 0 {
		return 1
	}
	return max(1, int(time.Duration(things)*3*time.Second/share(part))|1)
}

// inTurn chooses ways to interrupt a command: all of them, or where there is
// no time for that the first two and as many of the others as there is.
func inTurn(ways []interruption, turn int, left time.Duration) []interruption {
	others := int(left/time.Second) - 2
	if *lasts == 0 || others >= len(ways)-2 {
		return ways
	}
	chosen := slices.Clone(ways[:2])
	for i := range max(others, 1) {
		chosen = append(chosen, ways[2+(turn+i)%(len(ways)-2)])
	}
	return chosen
}

// share is a part of the time that there is.
func share(part float64) time.Duration { return time.Duration(part * float64(*lasts)) }

// tryAll interrupts the command at every point, or at as many as there is time
// for, evenly spread.
func (g *ground) tryAll(t *testing.T, how interruption, budget time.Duration) {
	of := how.points(g)
	points := make([]int, 0, of)
	for n := 1; n <= of; n++ {
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
	for range 2 * runtime.GOMAXPROCS(0) { // the rest of the time is waiting
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
	figures.add(g.name+", "+how.name, tried, of, losses)
}

// try interrupts the command at one point. reached is false if it came to its
// end before: not every run makes the same calls.
func (g *ground) try(t *testing.T, how interruption, n int) (wrong []string, at point, reached bool) {
	p, done := g.fresh(t, g.disk.optionsAt(n))
	defer done()
	out, err := how.run(g, p, n)
	if err != nil {
		return []string{err.Error()}, out.at, true
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
