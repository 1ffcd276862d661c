package graphtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Harness is an implementation under test.
type Harness struct {
	// Open opens the driver whose layers lie beneath root, as a program that
	// starts would: what an earlier Open left must be there. close ends it.
	Open func(t testing.TB, root string) (d graphdriver.Driver, close func())
	// Files is how many files DiffApply has; 0 means 2000.
	Files int
	// Depth is how deep DeepLayerRead goes; 0 means 125.
	Depth int
}

// Privileged reports whether files can be given to others here, and devices
// made. Where it is not so, drivers have to record what they may not make, and
// trees are read from their diffs, which show it.
func Privileged() bool { return graphdriver.Privileged() }

// Run runs all cases.
func Run(t *testing.T, h Harness) {
	if h.Files == 0 {
		h.Files = 2000
	}
	if h.Depth == 0 {
		h.Depth = 125
	}
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			s := &suite{T: t, h: h, root: t.TempDir()}
			s.open()
			t.Cleanup(func() { s.shut() })
			c.run(s)
		})
	}
}

type testCase struct {
	name string
	run  func(*suite)
}

func cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{mobyCases(), contractCases(), layerCases(), contentCases(), linkCases(), concurrentCases(), earlyCases()} {
		all = append(all, group...)
	}
	return all
}

// suite is one case's driver and what it says with it.
type suite struct {
	*testing.T
	h     Harness
	root  string
	d     graphdriver.Driver
	close func()
}

func (s *suite) open() {
	s.Helper()
	s.d, s.close = s.h.Open(s.T, s.root)
}

func (s *suite) shut() {
	if s.close != nil {
		s.close()
		s.close = nil
	}
}

// restart closes the driver and opens it again.
func (s *suite) restart() {
	s.Helper()
	s.shut()
	s.open()
}

func (s *suite) ctx() context.Context { return s.Context() }

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) create(id, parent string) {
	s.Helper()
	s.ok(s.d.Create(s.ctx(), id, parent, graphdriver.CreateOptions{}))
}

// container creates a layer that is written to by hand.
func (s *suite) container(id, parent string) {
	s.Helper()
	s.ok(s.d.CreateReadWrite(s.ctx(), id, parent, graphdriver.CreateOptions{}))
}

// deltas reports whether layers are stored as what they add.
func (s *suite) deltas() bool { return graphdriver.CapabilitiesOf(s.d).Deltas }

// layer creates a layer and fills it.
func (s *suite) layer(id, parent string, entries ...Entry) int64 {
	s.Helper()
	s.create(id, parent)
	size, err := s.apply(id, parent, entries...)
	s.ok(err)
	return size
}

func (s *suite) apply(id, parent string, entries ...Entry) (int64, error) {
	s.Helper()
	return s.d.ApplyDiff(s.ctx(), id, parent, bytes.NewReader(Archive(s.T, entries...)))
}

// in runs f with the layer's tree.
func (s *suite) in(id string, f func(dir string)) {
	s.Helper()
	dir, err := s.d.Get(s.ctx(), id, "")
	s.ok(err)
	defer func() { s.ok(s.d.Put(context.WithoutCancel(s.ctx()), id)) }()
	f(dir)
}

// tree is what a layer holds: as it lies on disk where everything can be made,
// else as the driver tells it.
func (s *suite) tree(id string) (out Tree) {
	s.Helper()
	if !Privileged() {
		return TreeOf(s.T, s.diff(id, ""))
	}
	s.in(id, func(dir string) { out = ReadTree(s.T, dir) })
	return out
}

// diff reads a whole diff.
func (s *suite) diff(id, parent string) []byte {
	s.Helper()
	r, err := s.d.Diff(s.ctx(), id, parent)
	s.ok(err)
	b, err := io.ReadAll(r)
	s.ok(err)
	s.ok(r.Close())
	return b
}

// travels checks that the diff of id against parent, applied to a new child of
// parent, makes id's tree again.
func (s *suite) travels(id, parent string) {
	s.Helper()
	to := fmt.Sprintf("%s.from.%s", id, parent)
	s.create(to, parent)
	b := s.diff(id, parent)
	if _, err := s.d.ApplyDiff(s.ctx(), to, parent, bytes.NewReader(b)); err != nil {
		s.Fatalf("apply diff of %s against %q: %v\n%s", id, parent, err, Listing(b))
	}
	if d := Differences(s.tree(id), s.tree(to)); len(d) > 0 {
		s.Fatalf("%s rebuilt from its diff against %q differs: %v\narchive:\n%s", id, parent, d, Listing(b))
	}
	s.ok(s.d.Remove(s.ctx(), to))
}

// changes lists the changes as text.
func (s *suite) changes(id, parent string) []string {
	s.Helper()
	cs, err := s.d.Changes(s.ctx(), id, parent)
	s.ok(err)
	out := []string{}
	for _, c := range cs {
		out = append(out, c.String())
	}
	return out
}

func (s *suite) wantChanges(id, parent string, want ...string) {
	s.Helper()
	got := s.changes(id, parent)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Fatalf("changes of %s against %q:\ngot  %v\nwant %v", id, parent, got, want)
	}
}

// soon is a context for what must not hang.
func (s *suite) soon() context.Context {
	ctx, cancel := context.WithTimeout(s.ctx(), 60*time.Second)
	s.Cleanup(cancel)
	return ctx
}
