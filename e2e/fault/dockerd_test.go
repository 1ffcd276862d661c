//go:build fault

package fault

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A dockerd starts on a root on which a command was interrupted, lists what
// is there and can remove it.
func TestDockerdStartsOnWhatIsLeft(t *testing.T) {
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Skip("dockerd is not installed (make deps)")
	}
	in := makeImages(t)
	all := scenarios()
	each := 2
	if *lasts == 0 {
		each = 6
	}
	ways := interruptions()[:2]
	for i, name := range []string{"load", "rm", "squash"} {
		s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == name })]
		driver := []string{"overlay2", "vfs"}[(i+int(*seed))%2]
		t.Run(name+"/"+driver, func(t *testing.T) {
			g := newGround(t, s, driver, in)
			losses := 0
			for k := range each {
				n := 1 + (g.points-1)*(2*k+1)/(2*each)
				if wrong, at := g.dockerd(t, ways[k%len(ways)], n); len(wrong) > 0 {
					losses++
					t.Errorf("%s at point %v:\n  %s", ways[k%len(ways)].name, at, strings.Join(wrong, "\n  "))
				}
			}
			figures.add("dockerd on what is left", each, each, losses)
		})
	}
}

func (g *ground) dockerd(t *testing.T, how interruption, n int) (wrong []string, at point) {
	p, done := g.fresh(t, g.disk.optionsAt(n))
	defer done()
	out, err := how.run(g, p, n)
	if err != nil {
		return []string{err.Error()}, out.at
	}
	format := []string{"--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"}
	lines := func(list string) string { // two of one time stand in any order
		all := strings.Split(strings.TrimSpace(list), "\n")
		slices.Sort(all)
		return strings.Join(all, "\n")
	}
	ours := lines(p.ok(append([]string{"image", "ls"}, format...)...))
	d := startDockerd(t, p)
	defer d.stop()
	if theirs := lines(d.docker(append([]string{"images"}, format...)...)); theirs != ours {
		wrong = append(wrong, "dockerd lists "+theirs+" and not "+ours)
	}
	for _, id := range strings.Fields(d.docker("images", "-a", "-q")) {
		d.docker("rmi", "--force", id)
	}
	if left := d.docker("images", "-a", "-q"); left != "" {
		wrong = append(wrong, "dockerd could not remove "+left)
	}
	d.stop()
	p.ok("image", "load", "-q", "-i", g.in.keeper)
	if r := p.do("check", "--full"); r.code != 0 {
		wrong = append(wrong, "after dockerd: check: "+r.stdout+r.stderr)
	}
	return wrong, out.at
}

// daemon is a dockerd on a program's root.
type daemon struct {
	t     *testing.T
	dir   string // of its sockets, whose paths must be short
	root  string
	cmd   *exec.Cmd
	ended chan error
}

func startDockerd(t *testing.T, p *program) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d := &daemon{t: t, dir: dir, root: p.root(), ended: make(chan error, 1)}
	d.cmd = exec.Command("dockerd", "--data-root", p.root(), "--exec-root", filepath.Join(dir, "exec"), "--host", d.host(),
		"--pidfile", filepath.Join(dir, "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver", p.driver)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	// Who asks once it listens is answered when it is ready.
	for end := time.Now().Add(time.Minute); d.dial() != nil || exec.Command("docker", "--host", d.host(), "info").Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			d.stop()
			t.Fatalf("dockerd does not answer:\n%s", b)
		}
	}
	return d
}

// dial reports whether anybody listens.
func (d *daemon) dial() error {
	c, err := net.Dial("unix", filepath.Join(d.dir, "s"))
	if err != nil {
		return err
	}
	return c.Close()
}

func (d *daemon) host() string { return "unix://" + filepath.Join(d.dir, "s") }

func (d *daemon) docker(args ...string) string {
	d.t.Helper()
	out, err := exec.Command("docker", append([]string{"--host", d.host()}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Errorf("docker %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (d *daemon) stop() {
	if d.ended == nil {
		return
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.cmd.Process.Kill()
		<-d.ended
	}
	d.ended = nil
	syscall.Unmount(d.root, syscall.MNT_DETACH) // it mounts it over itself
	if err := os.RemoveAll(d.dir); err != nil {
		d.t.Error(err)
	}
}
