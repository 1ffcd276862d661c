package graphtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// concurrentCases are about calls at the same time.
func concurrentCases() []testCase {
	return []testCase{
		{name: "SixteenGoroutines", run: sixteen},
		{name: "DiffPipedIntoApplyDiff", run: piped},
		{name: "RemoveAndGetWhileADiffStreams", run: whileStreaming},
		{name: "ReadersThatAreSlowOrLeave", run: slowReaders},
	}
}

const parallel = 16

// all runs f for each number at once and reports what fails.
func (s *suite) all(f func(i int) error) {
	s.Helper()
	var wg sync.WaitGroup
	errs := make([]error, parallel)
	for i := range parallel {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = f(i)
		}()
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Minute):
		s.Fatal("calls hang")
	}
	if err := errors.Join(errs...); err != nil {
		s.Fatal(err)
	}
}

func sixteen(s *suite) {
	s.layer("base", "", append(base(), many(150, func(i int) string { return fmt.Sprint(i) })...)...)
	archives := make([][]byte, parallel)
	for i := range archives {
		archives[i] = Archive(s.T, File("own", fmt.Sprint(i)), Whiteout("d0/f3"), File("d0/f4", "changed"))
	}
	want := fmt.Sprint([]string{"C /d0", "D /d0/f3", "C /d0/f4", "A /own"})
	s.all(func(i int) error {
		for round := range 3 {
			id := fmt.Sprintf("l%d.%d", i, round)
			if err := s.d.Create(s.ctx(), id, "base", graphdriver.CreateOptions{}); err != nil {
				return err
			}
			if _, err := s.d.ApplyDiff(s.ctx(), id, "base", bytes.NewReader(archives[i])); err != nil {
				return err
			}
			cs, err := s.d.Changes(s.ctx(), id, "base")
			if err != nil {
				return err
			}
			if fmt.Sprint(cs) != want {
				return fmt.Errorf("%s: %v", id, cs)
			}
			if ok, err := s.d.Exists(s.ctx(), id); err != nil || !ok {
				return fmt.Errorf("%s exists: %v, %w", id, ok, err)
			}
			if err := s.d.Remove(s.ctx(), id); err != nil {
				return err
			}
		}
		return nil
	})
}

func piped(s *suite) {
	s.layer("base", "", File("f", "0"))
	s.layer("top", "base", many(400, func(i int) string { return fmt.Sprintf("%0700d", i) })...)
	want := s.tree("top")
	ctx := s.soon()
	s.all(func(i int) error {
		r, err := s.d.Diff(ctx, "top", "base")
		if err != nil {
			return err
		}
		defer r.Close()
		id := fmt.Sprintf("copy%d", i)
		if err := s.d.Create(ctx, id, "base", graphdriver.CreateOptions{}); err != nil {
			return err
		}
		_, err = s.d.ApplyDiff(ctx, id, "base", r)
		return err
	})
	for i := range parallel {
		if d := Differences(want, s.tree(fmt.Sprintf("copy%d", i))); len(d) > 0 {
			s.Fatalf("copy%d: %v", i, d)
		}
	}
}

func whileStreaming(s *suite) {
	s.layer("base", "", File("f", "0"))
	s.layer("top", "base", many(1200, func(i int) string { return fmt.Sprintf("%04000d", i) })...)
	r, err := s.d.Diff(s.soon(), "top", "base")
	s.ok(err)
	head := make([]byte, 512)
	_, err = io.ReadFull(r, head)
	s.ok(err)
	removed := make(chan error, 1)
	go func() { removed <- s.d.Remove(s.soon(), "top") }()
	got := make(chan error, 1)
	go func() {
		time.Sleep(20 * time.Millisecond) // Remove waits by now
		_, err := s.d.Get(s.soon(), "top", "")
		if err == nil {
			err = s.d.Put(s.soon(), "top")
		}
		got <- err
	}()
	if err := <-got; err != nil {
		s.Errorf("Get beside a stream and a waiting Remove: %v", err)
	}
	rest, err := io.ReadAll(r)
	s.ok(err)
	s.ok(r.Close())
	if n := len(names(s.T, append(head, rest...))); n != 1212 {
		s.Errorf("%d entries beside Remove, want 1212", n)
	}
	s.ok(<-removed)
	exists, err := s.d.Exists(s.ctx(), "top")
	s.ok(err)
	if exists {
		s.Error("the layer is still there")
	}
}

// slow takes a pause after every few pieces.
type slow struct {
	r io.Reader
	n int
}

func (l *slow) Read(p []byte) (int, error) {
	if l.n++; l.n%16 == 0 {
		time.Sleep(time.Millisecond)
	}
	return l.r.Read(p[:min(len(p), 16<<10)])
}

func slowReaders(s *suite) {
	s.layer("top", "", many(600, func(i int) string { return fmt.Sprintf("%02000d", i) })...)
	s.all(func(i int) error {
		ctx, cancel := context.WithCancel(s.soon())
		defer cancel()
		r, err := s.d.Diff(ctx, "top", "")
		if err != nil {
			return err
		}
		defer r.Close()
		switch i % 4 {
		case 0: // leaves at once
			return nil
		case 1: // leaves in the middle
			_, err := io.CopyN(io.Discard, r, 100<<10)
			return err
		case 2: // is cancelled
			if _, err := io.CopyN(io.Discard, r, 10<<10); err != nil {
				return err
			}
			cancel()
			if _, err := io.Copy(io.Discard, r); err == nil {
				return errors.New("a cancelled diff ended as if it were whole")
			}
			return nil
		default:
			n, err := io.Copy(io.Discard, &slow{r: r})
			if err == nil && n < 600*2000 {
				err = fmt.Errorf("a slow reader got %d bytes", n)
			}
			return err
		}
	})
	s.ok(s.d.Remove(s.soon(), "top"))
}
