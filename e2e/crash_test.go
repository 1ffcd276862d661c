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

// The program is killed at each of those calls in turn, before the call is
// made, by strace. Whatever was stored must be whole, and the next load works.
func TestKilledAtAnyStepTheNextStartWorks(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed (make deps)")
	}
	layer := func(i int) []byte { return archive(t, fmt.Sprintf("file%d", i), strings.Repeat("x", 1000*i)) }
	first, second := oci(t, layer(1), true), oci(t, layer(2), true)
	for _, call := range kills {
		t.Run(call, func(t *testing.T) {
			for n := 1; ; n++ {
				p := newProgram(t)
				p.ok("image", "load", "-q", "-i", first)
				load := p.command("image", "load", "-q", "-i", second)
				cmd := exec.Command("strace", append([]string{
					"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n),
				}, load.Args...)...)
				r := finish(t, cmd)
				done := r.code == 0
				out := p.ok("image", "ls", "-a", "-q")
				for _, id := range strings.Fields(out) {
					p.ok("image", "verify", id)
				}
				p.ok("image", "load", "-q", "-i", second)
				if ids := strings.Fields(p.ok("image", "ls", "-a", "-q")); len(ids) != 2 {
					t.Errorf("killed at %s %d, loaded again: %v", call, n, ids)
				}
				for _, id := range strings.Fields(p.ok("image", "ls", "-a", "-q")) {
					p.ok("image", "verify", id)
				}
				p.nothingLeft()
				if done {
					t.Logf("%s: %d places", call, n-1)
					return
				}
				if n > 300 {
					t.Fatal("the load never ends")
				}
			}
		})
	}
}
