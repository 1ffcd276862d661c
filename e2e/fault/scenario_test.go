//go:build fault

package fault

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scenario is a command that is interrupted, and what has been done before.
// In both, words with % stand for archives and what else the machine has;
// "write" mounts a container's layer and changes files in it, "damage" and
// "spoil" change what is stored, and "other" does the rest with the other driver.
type scenario struct {
	name    string
	prepare []string
	command string
	// finish is what to do when the command, done again, finds nothing to do
	// any more, and there is something left: an image that has lost its name.
	finish string
	// damaged: it begins with damage, which the command mends.
	damaged bool
	// waste: it leaves what gc frees, or would if it were interrupted.
	waste bool
	// both: the root has two drivers, or comes to have them.
	both bool
	env  []string
}

// scenarios is the table. To have another command interrupted everywhere, add
// a line.
func scenarios() []scenario {
	return []scenario{
		{name: "load", prepare: []string{"image load -q -i %keeper"}, command: "image load -q -i %small"},
		{name: "load of a first image", command: "image load -q -i %small"},
		{name: "load on shared layers", prepare: []string{"image load -q -i %another"}, command: "image load -q -i %small"},
		{name: "load of a name that another has", prepare: []string{"image load -q -i %another", "image tag other:1 small:1"}, command: "image load -q -i %small"},
		{name: "tag", prepare: []string{"image load -q -i %small"}, command: "image tag small:1 again:1"},
		{name: "untag", prepare: []string{"image load -q -i %small", "image tag small:1 again:1"}, command: "image rm again:1"},
		{name: "rm", prepare: []string{"image load -q -i %small", "image load -q -i %another"}, command: "image rm small:1", finish: "image prune --force"},
		{name: "rm of all", prepare: []string{"image load -q -i %small", "image load -q -i %another"}, command: "image rm small:1 other:1", finish: "image prune --force"},
		{name: "prune", prepare: []string{"image load -q -i %small", "image load -q -i %another", "image load -q -i %keeper", "layer create --parent keeper:1 box"}, command: "image prune --all --force", finish: "image prune --force"},
		{name: "squash", prepare: []string{"image load -q -i %small", "image load -q -i %keeper"}, command: "image squash -t squashed:1 small:1"},
		{name: "layer create", prepare: []string{"image load -q -i %small"}, command: "layer create --parent small:1 box"},
		{name: "layer commit", prepare: []string{"image load -q -i %small", "layer create --parent small:1 box", "write box"}, command: "layer commit -t made:1 box"},
		{name: "import", prepare: []string{"image load -q -i %keeper"}, command: "image import %tree imported:1"},
		{name: "repair from an archive", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large"}, command: "check --repair --from %small", damaged: true, waste: true},
		{name: "repair of records", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "spoil config", "spoil record", "spoil size"}, command: "check --repair --from %small", damaged: true, waste: true},
		{name: "repair of trees", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "spoil tree", "spoil extra"}, command: "check --repair --from %small", damaged: true, waste: true},
		{name: "repair of what is no tree", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "spoil file"}, command: "check --repair --from %small", damaged: true, waste: true},
		{name: "repair from a root", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large", "spoil config"}, command: "check --repair --from %root", damaged: true, waste: true},
		{name: "repair from a registry", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large", "spoil config"}, command: "check --repair --from docker://%registry/small:1", damaged: true, waste: true},
		{name: "repair from what is left", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "spoil extra", "spoil size"}, command: "check --repair", damaged: true, waste: true},
		{name: "pull", prepare: []string{"image load -q -i %keeper"}, command: "image pull -q %registry/small:1", waste: true},
		{name: "pull that keeps blobs", prepare: []string{"image load -q -i %keeper"}, command: "image pull -q %registry/small:1", waste: true, env: []string{"BULKHEAD_KEEP_BLOBS=true"}},
		{name: "push", prepare: []string{"image load -q -i %small", "image tag small:1 %registry/pushed:1"}, command: "image push -q %registry/pushed:1", waste: true},
		{name: "push of what was kept", prepare: []string{"image pull -q %registry/small:1", "image tag %registry/small:1 %registry/again:1"}, command: "image push -q %registry/again:1", waste: true, env: []string{"BULKHEAD_KEEP_BLOBS=true"}},
		{name: "migrate", prepare: []string{"image load -q -i %keeper"}, command: "migrate -q --from-v1 %v1"},
		{name: "convert", prepare: []string{"image load -q -i %small", "image load -q -i %keeper"}, command: "convert -q --to %other", both: true},
		{name: "gc of what was converted", prepare: []string{"other image load -q -i %small", "other image load -q -i %keeper", "other convert -q --to %driver"}, command: "gc", both: true},
		{name: "gc", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large", "check --repair --from %small"}, command: "gc"},
		{name: "layer rm", prepare: []string{"image load -q -i %small", "layer create --parent small:1 box", "write box"}, command: "layer rm box"},
		{name: "load by a driver in a process", prepare: []string{"image load -q -i %keeper"}, command: "--config %isolated image load -q -i %small"},
		{name: "rm by a driver in a process", prepare: []string{"image load -q -i %small", "image load -q -i %another"}, command: "--config %isolated image rm small:1", finish: "image prune --force"},
		{name: "squash by a driver in a process", prepare: []string{"image load -q -i %small", "image load -q -i %keeper"}, command: "--config %isolated image squash -t squashed:1 small:1"},
	}
}

// ways are those in which it can be interrupted.
func (s scenario) ways() []interruption {
	if strings.Contains(s.command, "%isolated") {
		return append(driverEnds(), interruptions()...)
	}
	return interruptions()
}

// words are the arguments of a line of a scenario.
func (p *program) words(in images, line string) []string {
	line = strings.NewReplacer("%small", in.small, "%another", in.other, "%keeper", in.keeper, "%tree", in.tree,
		"%debian", in.debian, "%registry", in.registry, "%root", in.root, "%v1", in.v1, "%isolated", in.isolated, "%driver", p.driver, "%other", p.other).Replace(line)
	return strings.Fields(line)
}

// prepareOn brings a root to where the scenario begins, and stops on the way
// before anything is damaged.
func (s scenario) prepareOn(p *program, in images, undamaged func()) {
	p.t.Helper()
	last := slices.IndexFunc(s.prepare, isDamage)
	if !s.damaged {
		last = len(s.prepare)
	}
	s.do(p, in, s.prepare[:last])
	undamaged()
	s.do(p, in, s.prepare[last:])
	if !s.damaged {
		return
	}
	if findings, broken := p.check(); len(findings) == 0 {
		p.t.Fatalf("the damage is not found: %s", broken)
	}
}

func isDamage(line string) bool {
	return strings.HasPrefix(line, "damage ") || strings.HasPrefix(line, "spoil ")
}

func (s scenario) do(p *program, in images, lines []string) {
	p.t.Helper()
	for _, line := range lines {
		p, words := p, p.words(in, line)
		switch words[0] {
		case "write":
			p.write(words[1])
		case "damage":
			p.damage(words[1])
		case "spoil":
			p.spoil(words[1])
		case "other":
			p.as(p.other).ok(words[1:]...)
		default:
			p.ok(words...)
		}
	}
}

// ground is a scenario on one driver, ready to be interrupted: the disk as it
// is when the command begins, and what it would come to undisturbed.
type ground struct {
	scenario
	driver        string
	in            images
	disk          *disk // not mounted
	before, after state
	files         []string
	points        int
	// unreadable: damage keeps what there is from being listed.
	unreadable bool
	// blocks and inodes are what the command takes of the disk, and some more.
	blocks, inodes int64
}

func newGround(t *testing.T, s scenario, driver string, in images) *ground {
	t.Helper()
	return newGroundOn(t, newDisk(t, "ext4", settings["ext4"][0], smallest["ext4"]), s, driver, in)
}

func newGroundOn(t *testing.T, d *disk, s scenario, driver string, in images) *ground {
	t.Helper()
	g := &ground{scenario: s, driver: driver, in: in, disk: d}
	p := g.program(t, g.disk, t.TempDir())
	var err error
	s.prepareOn(p, in, func() {
		if g.before, err = p.state(true); err != nil {
			t.Fatal(err)
		}
	})
	now, err := p.state(false)
	g.unreadable = err != nil || !now.same(g.before)
	was, err := p.files()
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	g.disk.unmount()

	p, done := g.fresh(t, g.disk.optionsAt(0))
	defer done()
	var had, has unix.Statfs_t
	if err := unix.Statfs(p.disk.dir, &had); err != nil {
		t.Fatal(err)
	}
	out, err := run(p.interrupted(g), p.disk.dir, func(point) verdict { return verdict{} })
	if err != nil || out.code != 0 {
		t.Fatalf("undisturbed: exit %d %v\n%s", out.code, err, out.stderr)
	}
	if err := unix.Statfs(p.disk.dir, &has); err != nil {
		t.Fatal(err)
	}
	g.blocks = max(int64(had.Bfree)-int64(has.Bfree), 0) + 24
	g.inodes = max(int64(had.Ffree)-int64(has.Ffree), 0) + 12
	g.points = out.points
	if g.points < 3 {
		t.Fatalf("only %d points were seen", g.points)
	}
	if g.after, err = p.state(true); err != nil {
		t.Fatal(err)
	}
	if g.files, err = p.files(); err != nil {
		t.Fatal(err)
	}
	changed := len(difference(g.files, was)) > 0 || !g.before.same(g.after)
	if s.waste {
		p.ok("gc")
		if g.files, err = p.files(); err != nil {
			t.Fatal(err)
		}
	}
	if findings, broken := p.check(); broken != "" || len(findings) > 0 {
		t.Fatalf("undisturbed: check finds %v %s", findings, broken)
	}
	if !changed {
		t.Fatal("the command does nothing")
	}
	return g
}

func (g *ground) program(t testing.TB, d *disk, run string) *program {
	p := &program{t: t, disk: d, driver: g.driver, run: run, env: g.env}
	if g.both {
		p.other = map[string]string{"overlay2": "vfs", "vfs": "overlay2"}[g.driver]
	}
	return p
}

// interrupted is the scenario's command.
func (p *program) interrupted(g *ground) *exec.Cmd { return p.command(p.words(g.in, g.command)...) }

// fresh is a program on a new copy of the disk.
func (g *ground) fresh(t testing.TB, options string) (p *program, done func()) {
	t.Helper()
	base, err := os.MkdirTemp("", "fault")
	if err != nil {
		t.Fatal(err)
	}
	d := g.disk.copyTo(t, base, options)
	d.mount()
	p = g.program(t, d, filepath.Join(base, "run"))
	return p, func() {
		d.unmount()
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	}
}
