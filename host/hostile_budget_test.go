package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/hostile"
)

// there is what lies in the home.
func (s *siege) there(t *testing.T) confine.Used {
	t.Helper()
	d, err := confine.OpenDir(filepath.Join(s.root, "home"))
	must(t, err)
	defer d.Close()
	used, err := d.Measure(context.Background())
	must(t, err)
	return used
}

// counted checks that the budget is what lies there.
func (s *siege) counted(t *testing.T, after string) confine.Used {
	t.Helper()
	used, ok := s.d.Stored()
	if there := s.there(t); !ok || used != there {
		t.Fatalf("after %s %+v is counted, and %+v is there", after, used, there)
	}
	return used
}

func budgetLimits() calls.Limits {
	l := hostileLimits(20 * time.Second)
	l.Blocks, l.Inodes = 1<<20, 400
	return l
}

func TestADriverStoresNoMoreThanItsBudget(t *testing.T) {
	wasm := buildHostile(t)
	for _, iso := range isolations() {
		t.Run(iso.name, func(t *testing.T) {
			s := besiege(t, iso, iso.in(t).compile("hostile", wasm, hostileMemory), budgetLimits())
			defer s.d.Close(context.Background())
			before := s.counted(t, "honest layers")
			for _, c := range hostile.Budgets() {
				t.Run(c.Attack, func(t *testing.T) {
					err := s.attack(c.Via[0], c.Attack)
					judge(t, s, c, c.Via[0], err)
					var limit *calls.LimitError
					if strings.HasPrefix(c.Says, "limits.") && !errors.As(err, &limit) {
						t.Errorf("not a typed limit: %v", err)
					}
					if used := s.counted(t, c.Attack); used.Blocks > 1<<20 || used.Inodes > 400 {
						t.Errorf("%+v is there", used)
					}
					must(t, s.attack("create", "tidy"))
					if used := s.counted(t, "removing it"); used != before {
						t.Errorf("%+v is counted after it is removed, and before it was %+v", used, before)
					}
				})
			}
		})
	}
}

// What was counted outlives the process that counted, and a crash.
func TestABudgetOutlivesItsProcess(t *testing.T) {
	wasm, iso := buildHostile(t), isolations()[0]
	compile := iso.in(t).compile("hostile", wasm, hostileMemory)
	s := besiege(t, iso, compile, budgetLimits())
	used := s.counted(t, "honest layers")
	note := filepath.Join(s.root, "state", "budget.json")
	again := func(limits calls.Limits) *host.Driver {
		t.Helper()
		d, err := host.Open(context.Background(), s.config(iso, limits), compile)
		must(t, err)
		t.Cleanup(func() { d.Close(context.Background()) })
		return d
	}
	if _, err := os.Stat(note); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what may change is noted: %v", err)
	}
	crashed := again(budgetLimits()) // the first was never closed
	if now, _ := crashed.Stored(); now != used {
		t.Errorf("after a crash %+v, and before %+v", now, used)
	}
	must(t, crashed.Close(context.Background()))
	if _, err := os.Stat(note); err != nil {
		t.Errorf("nothing is noted: %v", err)
	}
	// A file that nobody counted shows that the note is believed.
	must(t, os.WriteFile(filepath.Join(s.root, "home", "uncounted"), []byte("x"), 0o600))
	d := again(budgetLimits())
	if now, _ := d.Stored(); now != used {
		t.Errorf("the note is not believed: %+v", now)
	}
	must(t, d.Close(context.Background()))
	// Who does not count leaves nothing to be believed.
	d = again(hostileLimits(time.Second))
	if _, counted := d.Stored(); counted {
		t.Error("counted without a bound")
	}
	must(t, d.Close(context.Background()))
	d = again(budgetLimits())
	if now, _ := d.Stored(); now != s.there(t) || now == used {
		t.Errorf("%+v", now)
	}
	// What is there may be more than there may be: it is served, and nothing
	// more is made.
	must(t, d.Close(context.Background()))
	small := budgetLimits()
	small.Blocks = 4096
	d = again(small)
	if err := d.Create(context.Background(), "new", "", graphdriver.CreateOptions{}); !hostile.Limit.Matches(err) {
		t.Errorf("%v", err)
	}
	if ok, err := d.Exists(context.Background(), "peer"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	must(t, d.Remove(context.Background(), "spare"))
}
