//go:build fault

package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// driverEnds are the ways in which a driver's process ends before its call.
// The command goes on without it, or says what has happened.
func driverEnds() []interruption {
	way := func(name string, at func(now, n int) bool) interruption {
		return interruption{name, 4, func(g *ground) int { return g.points }, func(g *ground, p *program, n int) (outcome, error) {
			var first point
			var failed error
			cmd := p.interrupted(g)
			out, err := run(cmd, p.disk.dir, func(now point) verdict {
				if at(now.n, n) {
					ended, err := endChildren(cmd.Process.Pid)
					if ended > 0 && first.n == 0 {
						first = now
					}
					failed = errors.Join(failed, err)
				}
				return verdict{}
			})
			out.at = first
			if out.code != 0 && !strings.Contains(out.stderr, "driver "+p.driver) {
				out.wrong = append(out.wrong, "it does not say that a driver failed: "+out.stderr)
			}
			return out, errors.Join(err, failed)
		}}
	}
	return []interruption{
		way("driver's process killed", func(now, n int) bool { return now == n }),
		way("all of a driver's processes killed from then on", func(now, n int) bool { return now >= n }),
	}
}

// endChildren kills all processes beneath one, and waits for them to end.
func endChildren(pid int) (ended int, err error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
			return ended, err
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return ended, err
			}
			fd, err := unix.PidfdOpen(child, 0)
			if errors.Is(err, unix.ESRCH) {
				continue
			}
			if err != nil {
				return ended, fmt.Errorf("pidfd of %d: %w", child, err)
			}
			beneath, err := endChildren(child)
			if err == nil {
				err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			}
			if errors.Is(err, unix.ESRCH) {
				err = nil // it has come to its end
			}
			for err == nil {
				_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
				if err == nil {
					break
				}
				if errors.Is(err, unix.EINTR) {
					err = nil
				}
			}
			unix.Close(fd)
			if err != nil {
				return ended, err
			}
			ended += beneath + 1
		}
	}
	return ended, nil
}

// A driver's process that is missed has to be noticed somewhere for a test of
// it to say anything.
func TestACommandWhoseDriverIsKilledFailsAndSaysSo(t *testing.T) {
	all := scenarios()
	in := makeImages(t)
	s := all[slices.IndexFunc(all, func(s scenario) bool { return strings.Contains(s.command, "%isolated") })]
	g := newGround(t, s, "overlay2", in)
	for _, how := range driverEnds() {
		failed, done, says := 0, 0, ""
		for n := 1; n <= g.points; n += g.points / 5 {
			p, end := g.fresh(t, g.disk.optionsAt(0))
			out, err := how.run(g, p, n)
			end()
			if err != nil || len(out.wrong) > 0 {
				t.Fatal(err, out.wrong)
			}
			if out.code == 0 {
				done++
			} else {
				failed, says = failed+1, out.stderr
			}
		}
		if failed == 0 {
			t.Errorf("%s: %d of %d failed", how.name, failed, failed+done)
		}
		t.Logf("%s: %d of %d failed, such as: %s", how.name, failed, failed+done, says)
	}
}
