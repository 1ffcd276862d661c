//go:build fault

package fault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// scenario is a command that is interrupted, and what has been done before.
// In both, words with % stand for archives; "write" mounts a container's layer
// and changes files in it, and "damage" changes files of layers.
type scenario struct {
	name    string
	prepare []string
	command string
	// finish is what to do when the command, done again, finds nothing to do
	// any more, and there is something left: an image that has lost its name.
	finish string
	// damaged: it begins with damage, which the command mends.
	damaged bool
}

// scenarios is the table. To have another command interrupted everywhere, add
// a line.
func scenarios() []scenario {
	return []scenario{
		{name: "load", prepare: []string{"image load -q -i %keeper"}, command: "image load -q -i %small"},
		{name: "load of a first image", command: "image load -q -i %small"},
		{name: "load on shared layers", prepare: []string{"image load -q -i %other"}, command: "image load -q -i %small"},
		{name: "load of a name that another has", prepare: []string{"image load -q -i %other", "image tag other:1 small:1"}, command: "image load -q -i %small"},
		{name: "tag", prepare: []string{"image load -q -i %small"}, command: "image tag small:1 again:1"},
		{name: "untag", prepare: []string{"image load -q -i %small", "image tag small:1 again:1"}, command: "image rm again:1"},
		{name: "rm", prepare: []string{"image load -q -i %small", "image load -q -i %other"}, command: "image rm small:1", finish: "image prune --force"},
		{name: "rm of all", prepare: []string{"image load -q -i %small", "image load -q -i %other"}, command: "image rm small:1 other:1", finish: "image prune --force"},
		{name: "prune", prepare: []string{"image load -q -i %small", "image load -q -i %other", "image load -q -i %keeper", "layer create --parent keeper:1 box"}, command: "image prune --all --force", finish: "image prune --force"},
		{name: "squash", prepare: []string{"image load -q -i %small", "image load -q -i %keeper"}, command: "image squash -t squashed:1 small:1"},
		{name: "layer create", prepare: []string{"image load -q -i %small"}, command: "layer create --parent small:1 box"},
		{name: "layer commit", prepare: []string{"image load -q -i %small", "layer create --parent small:1 box", "write box"}, command: "layer commit -t made:1 box"},
		{name: "import", prepare: []string{"image load -q -i %keeper"}, command: "image import %tree imported:1"},
		{name: "repair from an archive", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large"}, command: "check --repair --from %small", damaged: true},
		{name: "gc", prepare: []string{"image load -q -i %small", "image load -q -i %keeper", "damage usr/lib/large", "check --repair --from %small"}, command: "gc"},
		{name: "layer rm", prepare: []string{"image load -q -i %small", "layer create --parent small:1 box", "write box"}, command: "layer rm box"},
	}
}

// words are the arguments of a line of a scenario.
func (in images) words(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		switch w {
		case "%small":
			words[i] = in.small
		case "%other":
			words[i] = in.other
		case "%keeper":
			words[i] = in.keeper
		case "%tree":
			words[i] = in.tree
		case "%debian":
			words[i] = in.debian
		}
	}
	return words
}

// prepare brings a root to where the scenario begins.
func (s scenario) prepareOn(p *program, in images) {
	p.t.Helper()
	for _, line := range s.prepare {
		words := in.words(line)
		switch words[0] {
		case "write":
			p.write(words[1])
		case "damage":
			p.damage(words[1])
		default:
			p.ok(words...)
		}
	}
}

// write changes files in a container's layer.
func (p *program) write(box string) {
	p.t.Helper()
	target := p.t.TempDir()
	p.ok("mount", box, target)
	err := errors.Join(
		os.WriteFile(filepath.Join(target, "written"), []byte("written"), 0o600),
		os.WriteFile(filepath.Join(target, "etc/passwd"), []byte("other"), 0o600),
		os.RemoveAll(filepath.Join(target, "dir")),
		os.Mkdir(filepath.Join(target, "new"), 0o711),
	)
	p.ok("umount", target)
	if err != nil {
		p.t.Fatal(err)
	}
}

// damage cuts a file of layers.
func (p *program) damage(name string) {
	p.t.Helper()
	found := 0
	err := filepath.WalkDir(filepath.Join(p.root(), p.driver), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.HasSuffix(path, "/"+name) {
			return err
		}
		found++
		return os.Truncate(path, 10)
	})
	if err != nil || found == 0 {
		p.t.Fatalf("%d files %s: %v", found, name, err)
	}
	if r := p.do("check", "--full"); r.code != 3 {
		p.t.Fatalf("damage: check: exit %d: %s%s", r.code, r.stdout, r.stderr)
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
	// blocks and inodes are what the command takes of the disk, and some more.
	blocks, inodes int64
}

func newGround(t *testing.T, s scenario, driver string, in images) *ground {
	t.Helper()
	return newGroundOn(t, newDisk(t, "ext4", settings[0].options, 48<<20), s, driver, in)
}

func newGroundOn(t *testing.T, d *disk, s scenario, driver string, in images) *ground {
	t.Helper()
	g := &ground{scenario: s, driver: driver, in: in, disk: d}
	p := &program{t: t, disk: g.disk, driver: driver, run: t.TempDir()}
	s.prepareOn(p, in)
	var err error
	if g.before, err = p.state(!s.damaged); err != nil {
		t.Fatal(err)
	}
	was, err := p.files()
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	g.disk.unmount()

	p, done := g.fresh(t, settings[0].options)
	defer done()
	var had, has unix.Statfs_t
	if err := unix.Statfs(p.disk.dir, &had); err != nil {
		t.Fatal(err)
	}
	out, err := run(p.command(in.words(s.command)...), p.disk.dir, func(point) verdict { return verdict{} })
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
	if r := p.do("check", "--full"); r.code != 0 {
		t.Fatalf("undisturbed: check: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if s.damaged {
		g.before.saved = g.after.saved
	}
	if g.before.same(g.after) && len(difference(g.files, was)) == 0 {
		t.Fatal("the command does nothing")
	}
	return g
}

// fresh is a program on a new copy of the disk.
func (g *ground) fresh(t testing.TB, options string) (p *program, done func()) {
	t.Helper()
	base, err := os.MkdirTemp("", "fault")
	if err != nil {
		t.Fatal(err)
	}
	d := g.disk.copyTo(t, base, options)
	d.mount()
	p = &program{t: t, disk: d, driver: g.driver, run: filepath.Join(base, "run")}
	return p, func() {
		d.unmount()
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	}
}
