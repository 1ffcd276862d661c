package layer

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The child process registers two layers on top of an old one, fails to
// register a third, and removes the old branch; it kills itself at the step
// that it is told, the nth time it comes there.
const (
	crashRoot = "LAYER_TEST_CRASH_ROOT"
	crashStep = "LAYER_TEST_CRASH_STEP"
	crashTurn = "LAYER_TEST_CRASH_TURN"
)

var (
	crashBase  = file{name: "base", content: "base"}
	crashOld   = file{name: "old", content: "old"}
	crashOne   = file{name: "one", content: "one"}
	crashTwo   = file{name: "two", content: "two"}
	crashLone  = file{name: "lone", content: "lone"}
	crashWrong = file{name: "wrong", content: "wrong"}
)

func TestMain(m *testing.M) {
	if root := os.Getenv(crashRoot); root != "" {
		crash(root, os.Getenv(crashStep), len(os.Getenv(crashTurn)))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func crash(root, step string, turn int) {
	t := &testing.B{}
	must := func(err error) {
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
	}
	ctx := context.Background()
	s, err := Open(ctx, Options{Root: root, DriverName: "copy", Driver: entryDriver{newCopyDriver(filepath.Join(root, "copy"))}, Step: func(name string) {
		if name == step {
			if turn--; turn == 0 {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
	}})
	must(err)
	base, err := s.Get(ChainID(diffOf(archive(t, crashBase))))
	must(err)
	ses, err := s.NewSession(ctx)
	must(err)
	one, err := ses.Register(ctx, bytes.NewReader(archive(t, crashOne)), base.ChainID(), RegisterOptions{})
	must(err)
	_, err = ses.Register(ctx, bytes.NewReader(archive(t, crashTwo)), one.ChainID(), RegisterOptions{})
	must(err)
	must(ses.Commit(ctx))
	must(ses.Close(ctx))
	s.Register(ctx, bytes.NewReader(archive(t, crashWrong)), "", RegisterOptions{Expected: diffOf(nil)})
	_, err = s.CreateRWLayer(ctx, "box", base.ChainID(), CreateRWOptions{Init: initWith("box")})
	must(err)
	oldBox, err := s.GetRWLayer("old-box")
	must(err)
	_, err = s.ReleaseRWLayer(ctx, oldBox)
	must(err)
	old, err := s.Get(NextChainID(base.ChainID(), diffOf(archive(t, crashOld))))
	must(err)
	_, err = s.Release(ctx, old)
	must(err)
}

// TestKilledAtAnyStepLeavesLayersWholeOrAbsent kills a process at every step
// of its work and looks at what the next one finds.
func TestKilledAtAnyStepLeavesLayersWholeOrAbsent(t *testing.T) {
	for _, step := range steps {
		for turn := 1; turn <= 2; turn++ {
			t.Run(step+strings.Repeat("+", turn-1), func(t *testing.T) {
				t.Parallel()
				root := t.TempDir()
				before := open(t, root, nil)
				base := before.add(archive(t, crashBase), "")
				old := before.add(archive(t, crashOld), base.ChainID())
				lone := before.add(archive(t, crashLone), "")
				before.addRW("old box", "old-box", lone.ChainID())

				cmd := exec.Command(os.Args[0])
				cmd.Env = append(os.Environ(), crashRoot+"="+root, crashStep+"="+step, crashTurn+"="+strings.Repeat("x", turn))
				out, err := cmd.CombinedOutput()
				killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
				if !killed && (err != nil || turn == 1) {
					t.Fatalf("child: %v: %s", err, out)
				}

				after := open(t, root, nil)
				unsettled := slices.DeleteFunc(names(after.at.journal()), func(id string) bool { return id == lone.CacheID() })
				if err := after.Settle(t.Context()); err != nil {
					t.Error(err)
				}
				after.nothingOrphaned()
				if b := after.Broken(); len(b) != 0 {
					t.Error(b)
				}
				for id := range after.Map() {
					if err := after.Verify(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
				m := after.Map()
				one := NextChainID(base.ChainID(), diffOf(archive(t, crashOne)))
				two := NextChainID(one, diffOf(archive(t, crashTwo)))
				if m[two] != nil && m[one] == nil {
					t.Error("a layer without its parent")
				}
				if m[base.ChainID()] == nil {
					t.Error("an old layer is gone")
				}
				if (m[old.ChainID()] == nil || !killed || step == stepForgotten) && m[two] == nil {
					t.Error("a layer of a session that was closed is gone")
				}
				if len(unsettled) > 0 && (m[one] != nil || m[two] != nil) {
					t.Error("a layer that nothing came to use is there")
				}
				// The container's layer goes with what only it has kept.
				_, err = after.GetMountID("old-box")
				if boxed := err == nil; !boxed && m[lone.ChainID()] != nil || boxed && m[lone.ChainID()] == nil {
					t.Error("old-box and its layer: one without the other")
				}
				if _, err = after.GetMountID("box"); !killed && err != nil {
					t.Error(err)
				}
				after.rwWhole()
				if err != nil {
					after.addRW("box", "box", base.ChainID())
				}
				got := after.add(archive(t, crashOne), base.ChainID())
				top := after.add(archive(t, crashTwo), got.ChainID())
				if !bytes.Equal(after.read(top), archive(t, crashTwo)) {
					t.Error("other bytes came out")
				}
				after.nothingOrphaned()
			})
		}
	}
}
