package host_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// hostileCase is one attack, the method it is made in, what it is to show, and
// how it ends: in an error of this kind, or harmlessly (nil).
type hostileCase struct {
	attack, via, claim string
	want               error
	says               string // what the error tells beside driver and method
}

var (
	denied   = graphdriver.ErrDenied
	invalid  = graphdriver.ErrInvalid
	limit    = graphdriver.ErrLimit
	corrupt  = graphdriver.ErrCorrupt
	notFound = graphdriver.ErrNotFound
)

func (c hostileCase) run(t *testing.T, s *siege) {
	t.Helper()
	c.judge(t, s, s.attack(c.via, c.attack))
}

// judge says whether an attack ended as it has to.
func (c hostileCase) judge(t *testing.T, s *siege, err error) {
	t.Helper()
	switch {
	case c.want == nil && err != nil:
		t.Errorf("%s by %s: %s: %v", c.attack, c.via, c.claim, err)
	case c.want == errAny && err != nil:
	case c.want != nil && !errors.Is(err, c.want):
		t.Errorf("%s by %s: %s: got %v, want %v", c.attack, c.via, c.claim, err, c.want)
	case c.want != nil:
		for _, part := range []string{"driver hostile", c.via, c.says} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s by %s: the error does not tell %q: %v", c.attack, c.via, part, err)
			}
		}
	}
	s.unharmed(t)
}

func TestAHostileDriverHarmsNothing(t *testing.T) {
	wasm := buildHostile(t, "")
	goroutines, files := resources(t)
	func() {
		ctx := context.Background()
		rt, err := engine.New(ctx, engine.Config{CacheDir: nativeDir()}) // one that ends before leaks are looked for
		if err != nil {
			t.Fatal(err)
		}
		defer rt.Close(ctx)
		s := besiege(t, host.Wasm(rt, "hostile", wasm, hostileMemory), hostileLimits(20*time.Second))
		defer s.d.Close(ctx)
		for _, group := range []struct {
			name  string
			cases []hostileCase
		}{
			{"escapes", escapeCases()}, {"seals", sealCases()}, {"limits", limitCases()},
			{"protocol", protocolCases()}, {"streams", streamCases()}, {"lies", lieCases()},
		} {
			t.Run(group.name, func(t *testing.T) {
				for _, c := range group.cases {
					if c.run(t, s); t.Failed() && s.guarded(t) != s.before {
						return
					}
				}
				t.Logf("%d cases", len(group.cases))
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
}

// allMethods are those that an attack can be made in.
func allMethods() []string {
	return []string{
		"create", "create_read_write", "remove", "get", "put", "exists", "status", "get_metadata", "cleanup",
		"diff", "changes", "apply_diff", "diff_size", "diff_getter",
	}
}

func TestALoopEndsAtTheDeadlineInEveryMethod(t *testing.T) {
	compile := host.Wasm(runtime(t), "hostile", buildHostile(t, ""), hostileMemory)
	loops := []hostileCase{{"loop-imports", "create", "a loop of imports ends", limit, ""}, {"loop-files", "create", "a loop of file calls ends", limit, ""}}
	for _, via := range allMethods() {
		loops = append(loops, hostileCase{"loop", via, "a loop ends", limit, ""})
	}
	// All at a time, each in a driver of its own: the deadline is the clock's.
	sieges, errs := make([]*siege, len(loops)), make([]error, len(loops))
	for i := range loops {
		sieges[i] = besiege(t, compile, hostileLimits(time.Second))
		defer sieges[i].d.Close(context.Background())
	}
	var wg sync.WaitGroup
	for i, c := range loops {
		wg.Go(func() { errs[i] = sieges[i].attack(c.via, c.attack) })
	}
	wg.Wait()
	for i, c := range loops {
		c.says = "deadline of 1s reached; raise the limits.deadline"
		c.judge(t, sieges[i], errs[i])
		var l *calls.LimitError
		if !errors.As(errs[i], &l) || l.Limit != "deadline" {
			t.Errorf("%s: not a typed limit: %v", c.via, errs[i])
		}
	}

	t.Run("a lock held elsewhere is busy by then", func(t *testing.T) {
		// Longer, since a call that is late to its lock on a busy machine ends
		// at the deadline without it.
		s := besiege(t, compile, hostileLimits(4*time.Second))
		defer s.d.Close(context.Background())
		r, err := s.d.Diff(context.Background(), "x.lock-and-stream", "")
		if err != nil {
			t.Fatal(err)
		}
		hostileCase{"lock-wait", "create", "a wait for a lock ends", graphdriver.ErrBusy, `"held"`}.run(t, s)
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

func TestALoopBeforeAnyCallEndsToo(t *testing.T) {
	rt := runtime(t)
	for _, early := range []string{"init-loop", "describe-loop"} {
		t.Run(early, func(t *testing.T) {
			root := t.TempDir()
			_, err := host.Open(context.Background(), host.Config{
				Name: "hostile", Home: root + "/home", State: root + "/state", Isolation: host.Thread,
				Limits: calls.Limits{Deadline: time.Second / 2},
			}, host.Wasm(rt, early, buildHostile(t, early), engine.Limits{}))
			var l *calls.LimitError
			if !errors.As(err, &l) || l.Limit != "deadline" || !errors.Is(err, limit) {
				t.Errorf("%v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "driver hostile: describe") {
				t.Errorf("driver and method are missing: %v", err)
			}
		})
	}
}

func limitCases() []hostileCase {
	var out []hostileCase
	for _, via := range allMethods() {
		out = append(out,
			hostileCase{"panic", via, "a panic fails the call only", syscall.EIO, "a hostile panic"},
			hostileCase{"exit", via, "an exit fails the call, whatever its status", syscall.EIO, "exit"})
	}
	return append(out, []hostileCase{
		{"memory", "create", "memory ends at its limit, which is named", limit, "limits.memory"},
		{"memory", "diff", "memory ends at its limit in a stream", limit, "limits.memory"},
		{"overflow", "exists", "endless recursion ends", errAny, ""},
		{"bases", "create", "bases count as open files", limit, "limits.open-files"},
		{"files", "create", "open files are bounded", limit, "limits.open-files"},
		{"files", "exists", "also where nothing may be written", limit, "limits.open-files"},
		{"locks", "create", "locks count as open files", limit, "limits.open-files"},
		{"log", "create", "a flood of lines is dropped", limit, ""},
		{"log-levels", "create", "there are four levels", invalid, ""},
		{"print", "create", "a flood of output is dropped", nil, ""},
		{"request", "exists", "a request that makes the host keep much is refused", limit, "request"},
	}...)
}

// errAny stands for any ending but success: more than one bound is near.
var errAny = errors.New("some error")

func TestALogFloodIsCutOff(t *testing.T) {
	s := besiege(t, host.Wasm(runtime(t), "hostile", buildHostile(t, ""), hostileMemory), hostileLimits(20*time.Second))
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
