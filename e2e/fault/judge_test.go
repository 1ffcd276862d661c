//go:build fault

package fault

import (
	"fmt"
	"slices"
	"strings"
)

// unfinished are the findings that are no damage: what the next command that
// writes deals with.
var unfinished = []string{"layer-unfinished", "removal-unfinished", "write-unfinished"}

// judge looks at a root on which a command was interrupted, and says what is
// wrong with it, also when the command is run again.
func (g *ground) judge(p *program, was outcome) (wrong []string) {
	if wrong = g.asFound(p, was); len(wrong) > 0 {
		return wrong
	}
	return g.again(p)
}

// asFound looks at what the interruption left.
func (g *ground) asFound(p *program, was outcome) (wrong []string) {
	wrong = was.wrong
	acknowledged := !was.killed && was.code == 0
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if !was.killed && was.code != 0 && (was.code != 1 && !g.damaged || !strings.Contains("\n"+was.stderr, "\nbulkhead: ") || strings.Contains(was.stderr, "goroutine ")) {
		bad("exit %d, and it says: %s", was.code, was.stderr)
	}
	findings, broken := p.check()
	if broken != "" {
		bad("check: %s", broken)
	}
	for _, f := range findings {
		if !slices.Contains(unfinished, f.Kind) && (!g.damaged || acknowledged) {
			bad("check finds %s: %s: %s", f.Kind, f.Path, f.What)
		}
	}
	if g.unreadable && !acknowledged {
		return wrong
	}
	now, err := p.state(was.at.n%8 == 0 && (!g.damaged || acknowledged))
	if err != nil {
		bad("%v", err)
		return wrong
	}
	if acknowledged && !now.same(g.after) {
		bad("the command succeeded, and there is %v instead of %v", now, g.after)
	}
	for _, l := range now.lost(g.before, g.after) {
		bad("%s is lost", l)
	}
	for _, l := range now.strange(g.before, g.after) {
		bad("there is %s", l)
	}

	return wrong
}

// again does what was interrupted once more: what is not there can be had.
func (g *ground) again(p *program) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	again := p.do(p.words(g.in, g.command)...)
	if again.code != 0 && !gone(again) {
		bad("done again: exit %d: %s", again.code, again.stderr)
	}
	if again.code != 0 && g.finish != "" {
		p.ok(p.words(g.in, g.finish)...)
	}
	then, err := p.state(false)
	if err != nil {
		bad("done again: %v", err)
		return wrong
	}
	if !then.same(g.after) {
		bad("done again there is %v instead of %v", then, g.after)
	}
	for _, l := range then.lost(g.before, g.after) {
		bad("done again %s is lost", l)
	}
	if findings, broken := p.check(); broken != "" || len(findings) > 0 {
		bad("done again: check finds %v %s", findings, broken)
	}
	if g.waste {
		if r := p.do("gc"); r.code != 0 {
			bad("gc: exit %d: %s", r.code, r.stderr)
		}
	}
	files, err := p.files()
	if err != nil {
		bad("%v", err)
	}
	if d := difference(files, g.files); len(d) > 0 {
		bad("done again: files: %s", strings.Join(d, ", "))
	}
	return wrong
}

// gone tells whether a command failed because nothing is left of it to do.
func gone(r outcome) bool {
	for _, says := range []string{"o such image", "layer does not exist", "already exists"} {
		if strings.Contains(r.stderr, says) {
			return true
		}
	}
	return false
}
