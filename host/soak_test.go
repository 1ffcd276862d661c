//go:build soak

package host_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/hostile"
	"github.com/bulkhead/bulkhead/host/mount"
)

var (
	soakFor   = flag.Duration("soak", 2*time.Minute, "how long the soak takes")
	soakRound = flag.Duration("soak-round", 20*time.Second, "after how long it stops to count")
)

// usage is what a leak would show in, counted when nothing is under way.
type usage struct {
	files, goroutines, mounts, children int
	memory                              int64 // resident, of this process, in bytes
	tmp                                 int   // files in the sieges' scratch
}

func measured(t *testing.T, scratch ...string) (u usage) {
	t.Helper()
	debug.FreeOSMemory()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	u.files, u.goroutines = len(names), goruntime.NumGoroutine()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	u.mounts = bytes.Count(text, []byte("\n"))
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if text, err := os.ReadFile(task); err == nil { // a thread may have ended
			u.children += len(strings.Fields(string(text)))
		}
	}
	if text, err = os.ReadFile("/proc/self/statm"); err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	u.memory = pages * int64(os.Getpagesize())
	for _, dir := range scratch {
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		u.tmp += len(names)
	}
	return u
}

// soaking is one driver and what it does over and over.
type soaking struct {
	name  string
	calls atomic.Int64
	turn  func() (calls int, err error)
}

// honestTurn stores a layer on another, reads both back, compares with what
// came out the first time, and removes them.
func honestTurn(d graphdriver.Driver, name string, archive []byte) func() (int, error) {
	var want []byte
	n := 0
	return func() (calls int, err error) {
		ctx := context.Background()
		n++
		low, top := fmt.Sprint(name, "-low", n), fmt.Sprint(name, "-top", n)
		var got []byte
		for i, id := range []string{low, top} {
			parent := ""
			if i == 1 {
				parent = low
			}
			if err = d.Create(ctx, id, parent, graphdriver.CreateOptions{}); err != nil {
				return calls, err
			}
			if _, err = d.ApplyDiff(ctx, id, parent, bytes.NewReader(archive)); err != nil {
				return calls, err
			}
			r, err := d.Diff(ctx, id, "")
			if err != nil {
				return calls, err
			}
			b, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err != nil {
				return calls, err
			}
			got = append(got, b...)
			calls += 3
		}
		changes, err := d.Changes(ctx, top, low)
		if err != nil {
			return calls, err
		}
		got = fmt.Append(got, changes)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			return calls, fmt.Errorf("%s: %d bytes came out, %d the first time", name, len(got), len(want))
		}
		return calls + 3, errors.Join(d.Remove(ctx, top), d.Remove(ctx, low))
	}
}

// hostileTurn makes every attack once. What is guarded is looked at.
func hostileTurn(t *testing.T, s *siege) func() (int, error) {
	return func() (calls int, err error) {
		for _, g := range hostile.Groups() {
			for _, c := range g.Cases {
				for _, via := range c.Via {
					_ = s.attack(via, c.Attack) // its verdict is another test's
					calls++
				}
			}
		}
		s.logs.TakeAll()
		if after := s.guarded(t); after != s.before {
			err = fmt.Errorf("guarded trees changed from\n%s\nto\n%s", s.before, after)
		}
		return calls, err
	}
}

// TestSoak has hostile and honest drivers work side by side for as long as it
// is told, and a few rounds in any case, in each isolation.
func TestSoak(t *testing.T) {
	ctx := context.Background()
	wasm := buildHostile(t)
	archive := graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/f", strings.Repeat("content", 3000)), graphtest.Symlink("d/l", "f"), graphtest.File("g", "g"))
	var all []*soaking
	var scratch []string
	for _, iso := range isolations() {
		limits := hostileLimits(2 * time.Second)
		s := besiege(t, iso, iso.in(t).compile("hostile", wasm, hostileMemory), limits)
		defer s.d.Close(ctx)
		scratch = append(scratch, s.root)
		all = append(all, &soaking{name: "hostile, " + iso.name, turn: hostileTurn(t, s)})
		for _, name := range driverswasm.Names() {
			root := t.TempDir()
			d, err := host.Open(ctx, host.Config{
				Name: name, Home: filepath.Join(root, "home"), State: filepath.Join(root, "state"), Scratch: root,
				Embedded: true, Isolation: iso.where, Unprivileged: unprivileged(), Grants: driverswasm.Grants(name),
				Mounts: mount.NewRecords(filepath.Join(root, "mounts"), filepath.Join(root, "trees")),
			}, iso.in(t).compile(name, embedded(t, name), engine.Limits{}))
			if errors.Is(err, graphdriver.ErrNotSupported) {
				t.Logf("%s is not used: %v", name, err)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close(ctx)
			scratch = append(scratch, root)
			all = append(all, &soaking{name: name + ", " + iso.name, turn: honestTurn(host.Complete(d), name, archive)})
		}
	}
	var rows []usage
	var calls []int64
	end := time.Now().Add(*soakFor)
	for (len(rows) < fewestRounds || time.Now().Before(end)) && !t.Failed() {
		soakOnce(t, all, min(*soakRound, time.Until(end)))
		rows = append(rows, measured(t, scratch...))
		var n int64
		for _, s := range all {
			n += s.calls.Load()
		}
		calls = append(calls, n)
		u := rows[len(rows)-1]
		fmt.Printf("soak: round %d, %d calls: %d files, %d goroutines, %d mounts, %d children, %d MB, %d in scratch\n",
			len(rows), n, u.files, u.goroutines, u.mounts, u.children, u.memory>>20, u.tmp)
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%d calls\n", s.name, s.calls.Load())
	}
	_ = w.Flush()
	t.Logf("%d rounds, %d calls\n%s", len(rows), calls[len(calls)-1], text.String())
	notGrown(t, rows)
}

// soakOnce has all work for a while, and returns when none does.
func soakOnce(t *testing.T, all []*soaking, d time.Duration) {
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for _, s := range all {
		wg.Go(func() {
			for first := true; first || time.Now().Before(end); first = false {
				n, err := s.turn()
				s.calls.Add(int64(n))
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// fewestRounds are those after which it can be told whether something grows.
const fewestRounds = 3

// notGrown compares the last count with the second: by then all that is kept
// is there.
func notGrown(t *testing.T, rows []usage) {
	t.Helper()
	if len(rows) < fewestRounds {
		t.Fatalf("%d rounds are too few to tell", len(rows))
	}
	was, is := rows[1], rows[len(rows)-1]
	for _, c := range []struct {
		what    string
		was, is int64
		slack   int64
	}{
		{"files", int64(was.files), int64(is.files), 0},
		{"mounts", int64(was.mounts), int64(is.mounts), 0},
		{"children", int64(was.children), int64(is.children), int64(was.children) / 4}, // pools fill as calls meet
		{"goroutines", int64(was.goroutines), int64(is.goroutines), int64(was.goroutines) / 4},
		{"scratch", int64(was.tmp), int64(is.tmp), 0},
		{"memory", was.memory, is.memory, was.memory/4 + 32<<20},
	} {
		if c.is > c.was+c.slack {
			t.Errorf("%s grew from %d to %d", c.what, c.was, c.is)
		}
	}
}
