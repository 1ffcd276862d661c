//go:build fault

package fault

import (
	"fmt"
	"slices"
	"strings"
)

// race holds a command at a point and lets others run on the same root
// meanwhile: those that read must see nothing that is damaged, and one that
// writes is kept out by the lock or does what it says.
func race(g *ground, p *program, n int) (outcome, error) {
	var wrong []string
	bad := func(format string, args ...any) {
		wrong = append(wrong, "meanwhile "+fmt.Sprintf(format, args...))
	}
	raced := false
	out, err := g.at(p, n, func(point) verdict {
		findings, broken := p.check("--lock-timeout", "0")
		if broken != "" && !locked(outcome{stderr: broken}) {
			bad("check: %s", broken)
		}
		for _, f := range findings {
			if !slices.Contains(unfinished, f.Kind) && !g.damaged {
				bad("check finds %s: %s: %s", f.Kind, f.Path, f.What)
			}
		}
		if r := p.do("image", "ls", "-a", "-q"); r.code != 0 && !g.unreadable {
			bad("image ls: exit %d: %s", r.code, r.stderr)
		}
		for name, sum := range g.before.saved {
			if g.after.saved[name] != sum {
				continue // the command's business
			}
			p := p
			if driver, its, ok := strings.Cut(name, " "); ok {
				p, name = p.as(driver), its
			}
			if r := p.do("--lock-timeout", "0", "image", "verify", name); r.code != 0 && !locked(r) {
				bad("image verify %s: exit %d: %s", name, r.code, r.stderr)
			}
			if raced || g.both {
				continue
			}
			switch r := p.do("--lock-timeout", "0", "image", "tag", name, "raced:1"); {
			case r.code == 0:
				raced = true
			case !locked(r):
				bad("image tag: exit %d: %s", r.code, r.stderr)
			}
		}
		return verdict{}
	})
	if err == nil && raced {
		if r := p.do("image", "rm", "raced:1"); r.code != 0 {
			bad("a name was given, and is not there: exit %d: %s", r.code, r.stderr)
		}
	}
	out.wrong = wrong
	return out, err
}

func locked(r outcome) bool { return strings.Contains(r.stderr, "store is locked by") }
