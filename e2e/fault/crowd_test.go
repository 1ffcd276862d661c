//go:build fault

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is how many processes work on one root at once.
const crowd = 32

// One root is worked on by many processes, each of which knows what it was
// told; some of them are killed.
func TestManyProcessesOnOneRootLoseNothing(t *testing.T) {
	long := 3 * time.Minute
	switch {
	case *crowded > 0:
		long = *crowded
	case *lasts > 0:
		long = share(0.1)
	}
	in := makeImages(t)
	for _, driver := range []string{"overlay2", "vfs"} {
		t.Run(driver, func(t *testing.T) {
			p := &program{t: t, disk: newDisk(t, "ext4", settings["ext4"][0], 512<<20), driver: driver, run: t.TempDir()}
			p.ok("image", "load", "-q", "-i", in.keeper)
			empty, err := p.files()
			if err != nil {
				t.Fatal(err)
			}
			until := time.Now().Add(long)
			members := make([]*member, crowd)
			var group sync.WaitGroup
			for i := range members {
				m := newMember(t, p, i)
				members[i] = m
				group.Go(func() {
					for time.Now().Before(until) && len(m.wrong) == 0 {
						m.step()
					}
				})
			}
			group.Wait()
			done, killed, losses := 0, 0, 0
			for _, m := range members {
				m.settle()
				done, killed, losses = done+m.done, killed+m.killed, losses+len(m.wrong)
				for _, w := range m.wrong {
					t.Errorf("process %d: %s", m.i, w)
				}
			}
			p.ok("image", "prune", "--force")
			for _, m := range members {
				p.do("image", "rm", "--force", m.name, m.other, m.squashed)
			}
			p.ok("image", "load", "-q", "-i", in.keeper)
			p.ok("check", "--full")
			files, err := p.files()
			if err != nil {
				t.Fatal(err)
			}
			if d := difference(files, empty); len(d) > 0 {
				losses++
				t.Errorf("when all is removed: %s", strings.Join(d, ", "))
			}
			t.Logf("%d commands, of which %d were killed", done, killed)
			figures.add(fmt.Sprintf("%d processes at once for %v (%s)", crowd, long, driver), done, done, losses)
		})
	}
}

// member is one of many, with an image of its own.
type member struct {
	p                     *program
	i                     int
	chance                *rand.Rand
	archive               string
	name, other, squashed string
	has                   map[string]string // each of those: "yes", "no", or "" where a process was killed
	done, killed          int
	wrong                 []string
}

func newMember(t *testing.T, p *program, i int) *member {
	m := &member{p: p, i: i, chance: rand.New(rand.NewPCG(*seed, uint64(i)))}
	m.name, m.other, m.squashed = fmt.Sprintf("own%d:1", i), fmt.Sprintf("again%d:1", i), fmt.Sprintf("squashed%d:1", i)
	m.has = map[string]string{m.name: "no", m.other: "no", m.squashed: "no"}
	// Every fourth has the same image, and all have the same first layer.
	shared := layerOf(t, entry{name: "shared/", kind: '5'}, entry{name: "shared/file", data: strings.Repeat("shared", 5000)})
	own := layerOf(t, entry{name: "own", data: fmt.Sprint(i / 4)})
	m.archive = dockerArchive(t, filepath.Join(t.TempDir(), "own.tar"), m.name, shared, own)
	return m
}

func (m *member) bad(format string, args ...any) {
	m.wrong = append(m.wrong, fmt.Sprintf(format, args...))
}

// step does one thing, and sees that it comes to what it has to.
func (m *member) step() {
	m.done++
	there := m.has[m.name]
	switch m.chance.IntN(9) {
	case 0, 1:
		m.change(m.name, "yes", "image", "load", "-q", "-i", m.archive)
	case 2:
		m.change(m.name, "no", "image", "rm", m.name)
	case 3:
		if there == "yes" {
			m.change(m.other, "yes", "image", "tag", m.name, m.other)
		}
	case 4:
		m.change(m.other, "no", "image", "rm", m.other)
	case 5:
		if there == "yes" {
			m.change(m.squashed, "yes", "image", "squash", "-t", m.squashed, m.name)
		}
	case 6:
		m.change(m.squashed, "no", "image", "rm", m.squashed)
	case 7:
		if r := m.p.do("--lock-timeout", "10m", "gc"); r.code != 0 {
			m.bad("gc: exit %d: %s", r.code, r.stderr)
		}
	default:
		for name, has := range m.has {
			r := m.p.do("--lock-timeout", "10m", "image", "verify", name)
			if has == "yes" && r.code != 0 || has == "no" && r.code == 0 || r.code > 1 {
				m.bad("verify of %s (%s): exit %d: %s", name, has, r.code, r.stderr)
			}
		}
	}
}

// change runs a command that makes a name be there or not.
func (m *member) change(name, to string, args ...string) {
	cmd := m.p.command(append([]string{"--lock-timeout", "10m"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		m.bad("%v", err)
		return
	}
	if m.chance.IntN(10) == 0 {
		time.Sleep(time.Duration(m.chance.IntN(400)) * time.Millisecond) // chance is the point
		cmd.Process.Signal(os.Kill)
	}
	cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	was := m.has[name]
	switch {
	case code == -1:
		m.killed++
		m.has[name] = ""
	case code == 0:
		m.has[name] = to
	case to == "no" && was != "yes" && strings.Contains(errs.String(), "o such image"):
		m.has[name] = "no"
	default:
		m.bad("bulkhead %v (%s): exit %d: %s", args, was, code, errs.String())
	}
}

// settle compares what is there with what is known to be.
func (m *member) settle() {
	names := strings.Fields(m.p.ok("image", "ls", "--format", "{{.Repository}}:{{.Tag}}"))
	for name, has := range m.has {
		if there := slices.Contains(names, name); has == "yes" && !there || has == "no" && there {
			m.bad("%s: was acknowledged (%s), and is there: %v", name, has, there)
		}
	}
}
