package host_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/hostile"
)

// judge says whether an attack ended as it has to.
func judge(t *testing.T, s *siege, c hostile.Case, via string, err error) {
	t.Helper()
	if !c.Verdict.Matches(err) {
		t.Errorf("%s by %s: %s: got %v, want %s", c.Attack, via, c.Claim, err, c.Verdict)
	} else if c.Verdict != hostile.Harmless && c.Verdict != hostile.Refused {
		for _, part := range []string{"driver hostile", via, c.Says} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s by %s: the error does not tell %q: %v", c.Attack, via, part, err)
			}
		}
	}
	s.unharmed(t)
}

// runCases has a driver make attacks one after the other.
func (s *siege) runCases(t *testing.T, cases []hostile.Case) {
	t.Helper()
	n := 0
	for _, c := range cases {
		for _, via := range c.Via {
			if judge(t, s, c, via, s.attack(via, c.Attack)); t.Failed() && s.guarded(t) != s.before {
				return
			}
			n++
		}
	}
	t.Logf("%d cases", n)
}

func TestAHostileDriverHarmsNothing(t *testing.T) {
	wasm := buildHostile(t)
	for _, iso := range isolations() {
		t.Run(iso.name, func(t *testing.T) {
			goroutines, files := resources(t)
			func() {
				ctx := context.Background()
				rt, err := iso.start(ctx, nativeDir()) // one that ends before leaks are looked for
				if err != nil {
					t.Fatal(err)
				}
				defer rt.Close(ctx)
				s := besiege(t, iso, rt.compile("hostile", wasm, hostileMemory), hostileLimits(20*time.Second))
				defer s.d.Close(ctx)
				honest := beside(t, s.root)
				defer honest.d.Close(ctx)
				for _, group := range hostile.Groups() {
					t.Run(group.Name, func(t *testing.T) {
						s.runCases(t, group.Cases)
						honest.same(t)
					})
				}
				// What no other call could do, the layer's own removal does.
				if err := s.d.Remove(ctx, "sealed"); err != nil {
					t.Error(err)
				}
				if ok, err := s.d.Exists(ctx, "sealed"); ok || err != nil {
					t.Errorf("after its removal: %v %v", ok, err)
				}
			}()
			noLeaks(t, goroutines, files)
		})
	}
}

func TestALoopEndsAtTheDeadlineInEveryMethod(t *testing.T) {
	wasm := buildHostile(t)
	for _, iso := range isolations() {
		if underRace && iso.where == host.Process {
			continue // to start a process takes as long as the deadline then
		}
		t.Run(iso.name, func(t *testing.T) { loopsEnd(t, iso, iso.in(t).compile("hostile", wasm, hostileMemory)) })
	}
}

func loopsEnd(t *testing.T, iso isolation, compile host.Compile) {
	type loop struct {
		hostile.Case
		via string
		s   *siege
		err error
	}
	// Long enough for honest calls, with which each begins, on a busy machine.
	const deadline = 4 * time.Second
	var loops []*loop
	for _, c := range hostile.Loops() {
		for _, via := range c.Via {
			// All at a time, each in a driver of its own: the deadline is the clock's.
			l := &loop{Case: c, via: via, s: besiege(t, iso, compile, hostileLimits(deadline))}
			defer l.s.d.Close(context.Background())
			loops = append(loops, l)
		}
	}
	var wg sync.WaitGroup
	for _, l := range loops {
		wg.Go(func() { l.err = l.s.attack(l.via, l.Attack) })
	}
	wg.Wait()
	for _, l := range loops {
		judge(t, l.s, l.Case, l.via, l.err)
		var limit *calls.LimitError
		if !errors.As(l.err, &limit) || limit.Limit != "deadline" || limit.Value != deadline.String() {
			t.Errorf("%s: not a typed limit: %v", l.via, l.err)
		}
	}

	t.Run("a lock held elsewhere is busy by then", func(t *testing.T) {
		s := besiege(t, iso, compile, hostileLimits(deadline))
		defer s.d.Close(context.Background())
		r, err := s.d.Diff(context.Background(), "x.lock-and-stream", "")
		if err != nil {
			t.Fatal(err)
		}
		wait := hostile.Case{Attack: "lock-wait", Via: []string{"create"}, Claim: "a wait for a lock ends", Verdict: hostile.Busy, Says: `"held"`}
		s.runCases(t, []hostile.Case{wait})
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1)
		if _, err := r.Read(p); err == nil {
			t.Error("a closed stream goes on")
		}
		r, err = s.d.Diff(context.Background(), "x.lock-and-stream", "")
		if err != nil {
			t.Errorf("the lock was not given back: %v", err)
		} else if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestALogFloodIsCutOff(t *testing.T) {
	s := besieged(t)
	defer s.d.Close(context.Background())
	for _, attack := range []string{"log", "print"} {
		s.logs.TakeAll()
		_ = s.attack("create", attack)
		bytes := 0
		for _, l := range s.logs.TakeAll() {
			bytes += len(l.Message)
		}
		if bytes == 0 || bytes > 4<<10 {
			t.Errorf("%s: %d bytes were logged", attack, bytes)
		}
	}
}
