package mount

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// task is what another process is to do.
type task struct {
	Home, Step string // dies at that step
	Way        way
	Temporary  bool
	Given      bool // a target
	Unmount    bool // after the mount
	Times      int
}

const taskVariable = "BULKHEAD_TEST_MOUNT_TASK"

// TestAnotherProcess is the process that tests start; by itself it does nothing.
func TestAnotherProcess(t *testing.T) {
	var k task
	if os.Getenv(taskVariable) == "" {
		return
	}
	must(t, json.Unmarshal([]byte(os.Getenv(taskVariable)), &k))
	h := homeAt(t, k.Home)
	r := newRecords(h, k.Way)
	r.step = func(name string) {
		if name == k.Step {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			time.Sleep(time.Minute)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range max(k.Times, 1) {
		opt := Options{Key: "k", Temporary: k.Temporary}
		if k.Given {
			opt.On = h.mkdir("given")
		}
		m, err := r.Mount(ctx, h.overlay("up", "1"), opt)
		must(t, err)
		must(t, os.WriteFile(fmt.Sprintf("%s/%d-%d", m.Target, os.Getpid(), i), nil, 0o644))
		if n, err := r.Live(ctx, "k"); err != nil || n < 1 {
			t.Errorf("live: %d, %v", n, err)
		}
		if k.Times > 1 {
			_, err := r.Clean(ctx)
			must(t, err)
		}
		if k.Unmount {
			must(t, r.Unmount(ctx, m.Target, false))
		}
	}
}

func (k task) command(t *testing.T) *exec.Cmd {
	t.Helper()
	body, err := json.Marshal(k)
	must(t, err)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAnotherProcess$", "-test.v")
	cmd.Env = append(os.Environ(), taskVariable+"="+string(body))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func TestAfterAKillAtAnyStepCleaningLeavesNothing(t *testing.T) {
	byEachOrder(t, func(t *testing.T, w way) {
		for _, k := range []task{{}, {Given: true}, {Temporary: true}} {
			steps := []string{"begun", "target made", "identified", "before the mount", "mounted", "recorded", "before the unmount", "unmounted", "target removed", "forgotten", "never"}
			for _, step := range steps {
				if step == "identified" && w == byMountCall || strings.HasPrefix(step, "target") && k.Given {
					continue // there is no such step
				}
				h := newHome(t)
				h.tree("1", "a=1")
				k.Home, k.Step, k.Way = h.path, step, w
				k.Unmount = !k.Temporary && slices.Index(steps, step) > slices.Index(steps, "recorded")
				if k.Temporary && slices.Index(steps, step) > slices.Index(steps, "recorded") && step != "never" {
					continue
				}
				out, err := k.command(t).CombinedOutput()
				if killed := err != nil && strings.Contains(err.Error(), "killed"); killed != (step != "never") {
					t.Fatalf("%+v: %v\n%s", k, err, out)
				}
				r := newRecords(h, w)
				_, err = r.Clean(context.Background())
				must(t, err)
				if step == "recorded" && !k.Temporary || step == "before the unmount" {
					// A mount that was finished is there to stay.
					all := targets(t, r)
					if len(all) != 1 {
						t.Fatalf("%+v: %v", k, all)
					}
					must(t, r.Unmount(context.Background(), all[0], false))
				}
				if left := h.left(); len(left) != 0 {
					t.Errorf("%+v left %v", k, left)
				}
				m, err := r.Mount(context.Background(), h.overlay("up", "1"), Options{Key: "k"})
				must(t, err)
				must(t, m.Unmount(context.Background(), false))
			}
		}
	})
}

func TestProcessesThatMountUnmountAndCleanAtATimeLoseNothing(t *testing.T) {
	byEachOrder(t, func(t *testing.T, w way) {
		h := newHome(t)
		h.tree("1", "a=1")
		k := task{Home: h.path, Way: w, Unmount: true, Times: 10}
		h.mkdir("up")
		h.mkdir("up.work")
		const processes = 4
		var all [processes]*exec.Cmd
		var out [processes]strings.Builder
		for i := range all {
			all[i] = k.command(t)
			all[i].Stdout, all[i].Stderr = &out[i], &out[i]
			must(t, all[i].Start())
		}
		for i, cmd := range all {
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, out[i].String())
			}
		}
		if left := h.left(); len(left) != 0 {
			t.Errorf("left are %v", left)
		}
		files, err := os.ReadDir(h.p("up"))
		must(t, err)
		if len(files) != processes*k.Times {
			t.Errorf("%d files of %d were written", len(files), processes*k.Times)
		}
	})
}
