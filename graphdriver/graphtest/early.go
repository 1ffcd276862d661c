package graphtest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// earlyCases are about layers that are applied while their parents are. A
// driver that does not claim to be independent of the parent has none.
func earlyCases() []testCase {
	return []testCase{
		{name: "EarlyWithoutTheParent", run: earlyAlone},
		{name: "EarlyOverTheParent", run: earlyOver},
		{name: "EarlyOnAParentThatFails", run: earlyOnFailed},
	}
}

// early reports whether the driver says that it can, and what does it.
func (s *suite) early() (graphdriver.EarlyApplier, bool) {
	d, ok := s.d.(graphdriver.EarlyApplier)
	claims := graphdriver.CapabilitiesOf(s.d).DiffIndependentOfParent
	if claims && !ok {
		s.Fatal("claims to be independent of the parent, and cannot be asked to begin early")
	}
	return d, claims
}

// held is an archive that stops within until go is closed, and then ends, or
// fails.
type held struct {
	first, rest io.Reader
	reached     chan struct{}
	goOn        chan struct{}
	stopped     bool
}

func newHeld(archive []byte, rest io.Reader) *held {
	half := len(archive) / 2
	if rest == nil {
		rest = bytes.NewReader(archive[half:])
	}
	return &held{first: bytes.NewReader(archive[:half]), rest: rest, reached: make(chan struct{}), goOn: make(chan struct{})}
}

func (h *held) Read(p []byte) (int, error) {
	if !h.stopped {
		n, err := h.first.Read(p)
		if err != io.EOF {
			return n, err
		}
		h.stopped = true
		close(h.reached)
		<-h.goOn
	}
	return h.rest.Read(p)
}

// below applies base to id, which is created, until the reader stops it; wait
// returns how that ended.
func (s *suite) below(id string, h *held) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		_, err := s.d.ApplyDiff(s.ctx(), id, "", h)
		done <- err
	}()
	<-h.reached
	return func() error { return <-done }
}

func earlyAlone(s *suite) {
	d, claims := s.early()
	if !claims {
		return
	}
	h := newHeld(Archive(s.T, base()...), nil)
	s.create("base", "")
	wait := s.below("base", h)
	s.create("top", "base")
	own := Archive(s.T, Dir("own"), File("own/file", "x"))
	_, err := d.ApplyEntriesEarly(s.ctx(), "top", "base", layertar.NewReader(bytes.NewReader(own), nil), func(context.Context) error {
		return errors.New("nothing of this archive needs what is beneath")
	})
	close(h.goOn)
	s.ok(errors.Join(err, wait()))
	s.wantChanges("top", "base", "A /own", "A /own/file")
}

func earlyOver(s *suite) {
	d, claims := s.early()
	if !claims {
		return
	}
	lower := append(base(), Dir("dir"), File("dir/gone", "1"), File("dir/kept", "2"), Dir("opaque"), File("opaque/hidden", "3"), Dir("implied").Mode(0o711), File("implied/lower", "4"))
	top := Archive(s.T, Whiteout("dir/gone"), Opaque("opaque"), File("opaque/new", "5"), File("implied/new", "6"), Link("linked", "dir/kept"))

	s.layer("below", "", lower...)
	s.create("after", "below")
	after, err := s.d.ApplyDiff(s.ctx(), "after", "below", bytes.NewReader(top))
	s.ok(err)

	h := newHeld(Archive(s.T, lower...), nil)
	s.create("base", "")
	wait := s.below("base", h)
	s.create("early", "base")
	asked, ended := make(chan struct{}), make(chan struct{})
	var baseErr error
	go func() {
		defer close(ended)
		<-asked
		close(h.goOn)
		baseErr = wait()
	}()
	first := true
	early, err := d.ApplyEntriesEarly(s.ctx(), "early", "base", layertar.NewReader(bytes.NewReader(top), nil), func(ctx context.Context) error {
		if first {
			first = false
			close(asked)
		}
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if first {
		s.Fatal("the driver never asked for what is beneath, which its archive changes")
	}
	s.ok(errors.Join(err, baseErr))
	if early != after {
		s.Errorf("%d bytes early and %d after the parent", early, after)
	}
	for _, parents := range [][2]string{{"below", "base"}, {"", ""}} {
		one, two := s.diff("after", parents[0]), s.diff("early", parents[1])
		if !bytes.Equal(one, two) {
			s.Errorf("against %q, early made another layer:\n%s\nthan after its parent:\n%s", parents[1], Listing(two), Listing(one))
		}
	}
}

func earlyOnFailed(s *suite) {
	d, claims := s.early()
	if !claims {
		return
	}
	cut := errors.New("line cut")
	h := newHeld(Archive(s.T, base()...), failingReader{cut})
	s.create("base", "")
	wait := s.below("base", h)
	s.create("top", "base")
	gone := errors.New("there is nothing beneath")
	_, err := d.ApplyEntriesEarly(s.ctx(), "top", "base", layertar.NewReader(bytes.NewReader(Archive(s.T, Whiteout("d0/f0"))), nil), func(context.Context) error { return gone })
	if !errors.Is(err, gone) {
		s.Errorf("got %v", err)
	}
	close(h.goOn)
	if err := wait(); !errors.Is(err, cut) {
		s.Errorf("got %v", err)
	}
	s.ok(s.d.Remove(s.ctx(), "top"))
	s.ok(s.d.Remove(s.ctx(), "base"))
	for _, id := range []string{"top", "base"} {
		if there, err := s.d.Exists(s.ctx(), id); err != nil || there {
			s.Errorf("%s: %v, %v", id, there, err)
		}
	}
}
