//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// kills are the system calls that a load makes things durable or visible with.
var kills = []string{"fsync", "syncfs", "renameat", "renameat2", "rename", "unlinkat", "mkdirat"}

// A load is killed at each of those calls in turn, before the call is made, by
// strace. Whatever was stored must be whole, the next command that writes
// leaves no layer without an image, and the next load works.
func TestLoadKilledAtAnyStepTheNextStartWorks(t *testing.T) {
	t.Parallel()
	first, second := oci(t, crashLayer(t, 1), true), oci(t, crashLayer(t, 2), true)
	third := oci(t, crashLayer(t, 3), true)
	killedAtEach(t, func(p *program) []string {
		p.ok("image", "load", "-q", "-i", first)
		return []string{"image", "load", "-q", "-i", second}
	}, func(t *testing.T, p *program) {
		p.ok("image", "load", "-q", "-i", third)
		p.nothingLeft()
		p.ok("image", "load", "-q", "-i", second)
		if ids := p.images(); len(ids) != 3 {
			t.Errorf("loaded again: %v", ids)
		}
	})
}

// A removal is killed likewise.
func TestRemovalKilledAtAnyStepTheNextStartWorks(t *testing.T) {
	t.Parallel()
	first, second := oci(t, crashLayer(t, 1), true), oci(t, crashLayer(t, 2), true)
	killedAtEach(t, func(p *program) []string {
		p.ok("image", "load", "-q", "-i", first)
		return []string{"image", "rm", p.images()[0]}
	}, func(t *testing.T, p *program) {
		p.ok("image", "load", "-q", "-i", second)
		p.nothingLeft()
		for _, id := range p.images() {
			p.ok("image", "rm", id)
		}
		if chains := p.chains(); len(chains) != 0 {
			t.Errorf("images of layers %v are left", chains)
		}
	})
}

func crashLayer(t *testing.T, i int) []byte {
	return archive(t, fmt.Sprintf("file%d", i), strings.Repeat("x", 1000*i))
}

func (p *program) images() []string { return strings.Fields(p.ok("image", "ls", "-a", "-q")) }

// killedAtEach kills the command that prepare returns, on a root of its own
// for each call, and lets check look at what is left.
func killedAtEach(t *testing.T, prepare func(*program) []string, check func(*testing.T, *program)) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed (make deps)")
	}
	for _, call := range kills {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				if n > 300 {
					t.Fatal("the command never ends")
				}
				p := newProgram(t)
				command := p.command(prepare(p)...)
				r := finish(t, exec.Command("strace", append([]string{
					"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n),
				}, command.Args...)...))
				done = r.code == 0
				p.ok("image", "verify")
				check(t, p)
				p.ok("image", "verify")
				p.nothingLeft()
				if t.Failed() {
					t.Fatalf("killed at %s %d", call, n)
				}
				if done {
					t.Logf("%s: %d places", call, n-1)
				}
			}
		})
	}
}
