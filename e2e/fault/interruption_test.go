//go:build fault

package fault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// interruption is a way in which a command does not come to its end, or comes
// there in spite of everything.
type interruption struct {
	name   string
	weight int // of the time that there is
	// points is how many there are to try.
	points func(g *ground) int
	// run runs the command and interrupts it at the n-th.
	run func(g *ground, p *program, n int) (outcome, error)
}

func interruptions() []interruption {
	calls := func(g *ground) int { return g.points }
	all := []interruption{
		{"kill", 4, calls, func(g *ground, p *program, n int) (outcome, error) {
			return g.at(p, n, func(point) verdict { return verdict{kill: true} })
		}},
		{"power cut", 5, calls, func(g *ground, p *program, n int) (outcome, error) {
			out, err := g.at(p, n, func(point) verdict { return verdict{kill: true} })
			p.disk.cutPower()
			return out, err
		}},
		{"disk that vanishes", 1, calls, func(g *ground, p *program, n int) (outcome, error) {
			out, err := g.at(p, n, func(point) verdict { p.disk.shutdown(); return verdict{} })
			p.disk.unmount()
			p.disk.mount()
			return out, err
		}},
		{"remounted read-only", 1, calls, func(g *ground, p *program, n int) (outcome, error) {
			var failed error
			out, err := g.at(p, n, func(point) verdict { failed = p.disk.remountReadOnly(); return verdict{} })
			p.disk.unmount()
			p.disk.mount()
			return out, errors.Join(err, failed)
		}},
		{"others meanwhile", 1, calls, race},
		{"full disk", 2, steps, fullDisk},
		{"no inodes", 1, steps, noInodes},
		{"few descriptors", 1, steps, func(g *ground, p *program, n int) (outcome, error) {
			cmd := p.interrupted(g)
			cmd.Env = append(cmd.Env, filesVar+"="+strconv.Itoa(10+n))
			out, err := run(cmd, p.disk.dir, func(point) verdict { return verdict{} })
			out.at = point{n, fmt.Sprintf("%d descriptors", 10+n), ""}
			return out, err
		}},
	}
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EMFILE} {
		all = append(all, interruption{"one " + unix.ErrnoName(errno), 1, calls, func(g *ground, p *program, n int) (outcome, error) {
			return g.at(p, n, func(point) verdict { return verdict{fail: errno} })
		}})
	}
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS} {
		all = append(all, interruption{unix.ErrnoName(errno) + " from then on", 1, calls, func(g *ground, p *program, n int) (outcome, error) {
			return run(p.interrupted(g), p.disk.dir, func(at point) verdict {
				if at.n < n {
					return verdict{}
				}
				return verdict{fail: errno}
			})
		}})
	}
	return all
}

// at runs the command, and has one point judged.
func (g *ground) at(p *program, n int, judge func(point) verdict) (outcome, error) {
	var at point
	out, err := run(p.interrupted(g), p.disk.dir, func(now point) verdict {
		if now.n != n {
			return verdict{}
		}
		at = now
		return judge(now)
	})
	out.at = at
	return out, err
}

// steps is how many amounts of what is scarce are tried.
func steps(*ground) int { return 48 }

// fullDisk leaves so many 48ths of the blocks that the command needs.
func fullDisk(g *ground, p *program, n int) (outcome, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(p.disk.dir, &st); err != nil {
		return outcome{}, err
	}
	leave := uint64(g.blocks) * uint64(n) / uint64(steps(g))
	ballast := filepath.Join(p.disk.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return outcome{}, err
	}
	defer f.Close()
	take := int64(st.Bavail-min(leave, st.Bavail)) * st.Bsize
	for ; take > 0; take -= 64 << 10 { // its own description takes blocks too
		if err = unix.Fallocate(int(f.Fd()), 0, 0, take); err == nil {
			break
		}
	}
	if err != nil {
		return outcome{}, err
	}
	return g.starved(p, n, fmt.Sprintf("%d blocks are free", leave), func() error { return os.Remove(ballast) })
}

// noInodes leaves so many 48ths of the inodes that the command needs.
func noInodes(g *ground, p *program, n int) (outcome, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(p.disk.dir, &st); err != nil {
		return outcome{}, err
	}
	leave := uint64(g.inodes) * uint64(n) / uint64(steps(g))
	ballast := filepath.Join(p.disk.dir, "ballast")
	if err := os.Mkdir(ballast, 0o700); err != nil {
		return outcome{}, err
	}
	for i := leave + 1; i < st.Ffree; i++ {
		if err := unix.Mknod(filepath.Join(ballast, strconv.FormatUint(i, 10)), unix.S_IFREG|0o600, 0); err != nil {
			return outcome{}, err
		}
	}
	return g.starved(p, n, fmt.Sprintf("%d inodes are free", leave), func() error { return os.RemoveAll(ballast) })
}

// starved runs the command where something is scarce, and then gives it back.
func (g *ground) starved(p *program, n int, what string, enough func() error) (outcome, error) {
	out, err := run(p.interrupted(g), p.disk.dir, func(point) verdict { return verdict{} })
	out.at = point{n, what, ""}
	if err == nil {
		err = enough()
	}
	return out, err
}

// What is scarce has to run out somewhere for a test of it to say anything.
func TestDisksAndDescriptorsRunOut(t *testing.T) {
	g := newGround(t, scenarios()[0], "overlay2", makeImages(t))
	for _, how := range interruptions() {
		says := map[string]string{"full disk": "no space left", "no inodes": "no space left", "few descriptors": "too many open files"}[how.name]
		if says == "" {
			continue
		}
		failed, done := 0, 0
		for n := 1; n <= how.points(g); n += 6 {
			p, end := g.fresh(t, g.disk.optionsAt(0))
			out, err := how.run(g, p, n)
			end()
			if err != nil {
				t.Fatal(err)
			}
			if out.code == 0 {
				done++
			} else {
				failed++
			}
		}
		if failed < 2 || done < 1 {
			t.Errorf("%s: %d of %d failed", how.name, failed, failed+done)
		}
		t.Logf("%s: %d of %d failed", how.name, failed, failed+done)
	}
}
