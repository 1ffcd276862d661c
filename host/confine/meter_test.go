package confine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

var errOver = errors.New("over")

func metered(t *testing.T, most Used) (*Dir, string) {
	t.Helper()
	root := t.TempDir()
	d := opened(t, root)
	d.Count(NewMeter(Used{}, most, func(what string, _ int64) error { return fmt.Errorf("%w: %s", errOver, what) }))
	return d, root
}

// exact holds what was counted against what is there.
func exact(t *testing.T, d *Dir, after string) {
	t.Helper()
	there, err := d.Measure(context.Background())
	must(t, err)
	if now := d.Meter().Now(); now != there {
		t.Fatalf("after %s %+v is counted, and %+v is there", after, now, there)
	}
}

// guest does at random what a guest could do to a handful of names.
type guest struct {
	t    *testing.T
	d    *Dir
	rnd  *rand.Rand
	open []openedFile
	// records: what may not be given is recorded.
	records bool
}

type openedFile struct {
	fd   int
	held Metered
}

func (g *guest) name() string {
	name := string(rune('a' + g.rnd.IntN(5)))
	if g.rnd.IntN(2) == 0 {
		name = string(rune('A'+g.rnd.IntN(2))) + "/" + name
	}
	return name
}

func (g *guest) shut(i int) {
	f := g.open[i]
	f.held.Close(f.fd)
	must(g.t, unix.Close(f.fd))
	g.open = append(g.open[:i], g.open[i+1:]...)
}

func (g *guest) step() (what string, err error) {
	ctx, p, q := context.Background(), g.name(), g.name()
	if n := len(g.open); n > 0 && g.rnd.IntN(3) == 0 {
		i := g.rnd.IntN(n)
		f, size := g.open[i], g.rnd.IntN(20_000)
		switch g.rnd.IntN(5) {
		case 0:
			g.shut(i)
			return "close", nil
		case 1:
			return "truncate", f.held.Truncate(f.fd, int64(size))
		case 2:
			_, err = f.held.Write(f.fd, int64(size), 100, func() (int, error) { return unix.Pwrite(f.fd, make([]byte, 100), int64(size)) })
			return "pwrite", err
		case 3:
			_, err = unix.Seek(f.fd, int64(size), unix.SEEK_SET)
			return "seek", err
		default:
			_, err = f.held.Write(f.fd, -1, size, func() (int, error) { return unix.Write(f.fd, make([]byte, size)) })
			return "write", err
		}
	}
	switch what = []string{"create", "create", "cut", "append", "mkdir", "rmdir", "unlink", "unlink", "rename", "link", "symlink", "node", "copy", "remove", "apply"}[g.rnd.IntN(15)]; what {
	case "create", "cut", "append":
		flags := map[string]int{"create": unix.O_CREAT | unix.O_RDWR, "cut": unix.O_RDWR | unix.O_TRUNC, "append": unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT}[what]
		fd, held, err := g.d.OpenFile(p, flags, 0o600, NoLinks, true)
		if err == nil {
			g.open = append(g.open, openedFile{fd, held})
		}
		return what, err
	case "mkdir":
		return what, g.d.Mkdir(string(rune('A'+g.rnd.IntN(3))), 0o700)
	case "rmdir":
		return what, g.d.Rmdir(string(rune('A'+g.rnd.IntN(3))), NoLinks)
	case "unlink":
		return what, g.d.Unlink(p, NoLinks)
	case "rename":
		return what, g.d.Rename(p, q, NoLinks)
	case "link":
		return what, g.d.Link(p, q, NoLinks)
	case "symlink":
		return what, g.d.Symlink("somewhere", p, NoLinks)
	case "node":
		return what, g.d.Mknod(p, unix.S_IFIFO|0o600, 0, 0, NoLinks)
	case "copy":
		return what, CopyTree(ctx, g.d, string(rune('A'+g.rnd.IntN(2))), g.d, "C", g.records)
	case "remove":
		return what, g.d.RemoveTree(ctx, string(rune('A'+g.rnd.IntN(3))))
	}
	a := NewApplier(g.d, ApplyOptions{Unprivileged: g.records})
	link := entry(layertar.Symlink, q, "somewhere")
	if g.records {
		link.UID = 7 // is recorded by who may not give it
	}
	for _, e := range []*layertar.Entry{entry(layertar.Dir, "A", ""), {Kind: layertar.File, Path: p, Name: p, Mode: 0o600, Size: 9000}, link} {
		if err = a.Apply(ctx, e, "", Payload{Held: make([]byte, e.Size)}); err != nil {
			a.Abort()
			return what, err
		}
	}
	_, err = a.Finish(ctx)
	return what, err
}

func TestAMeterCountsWhatIsThere(t *testing.T) {
	for seed := range uint64(20) {
		d, _ := metered(t, Used{Blocks: 60_000, Inodes: 10})
		g := &guest{t: t, d: d, rnd: rand.New(rand.NewPCG(seed, 1)), records: seed%2 == 1}
		if g.records {
			d.Believe(uint32(os.Geteuid()))
		}
		refused := 0
		for i := range 300 {
			what, err := g.step()
			if errors.Is(err, errOver) {
				refused++
			}
			if gone := g.gone(); gone == 0 {
				exact(t, d, fmt.Sprintf("seed %d, step %d, %s (%v)", seed, i, what, err))
			}
			if now := d.Meter().Now(); now.Blocks > 60_000 || now.Inodes > 10 {
				t.Fatalf("%+v is more than may be", now)
			}
		}
		for len(g.open) > 0 {
			g.shut(0)
		}
		exact(t, d, "closing everything")
		if refused == 0 {
			t.Errorf("seed %d: no bound was met", seed)
		}
	}
}

// gone counts open files without a name, which a listing does not find.
func (g *guest) gone() (n int) {
	for _, f := range g.open {
		if st, err := statFd(f.fd); err == nil && st.Nlink == 0 {
			n++
		}
	}
	return n
}

func TestAMeterIsExactWhateverRacesWithWhat(t *testing.T) {
	d, _ := metered(t, Used{Blocks: 100_000, Inodes: 20})
	var wg sync.WaitGroup
	for i := range uint64(4) {
		wg.Go(func() {
			g := &guest{t: t, d: d, rnd: rand.New(rand.NewPCG(7, i))}
			for range 1500 {
				_, _ = g.step()
				for len(g.open) > 8 {
					g.shut(0)
				}
			}
			for len(g.open) > 0 {
				g.shut(0)
			}
		})
	}
	wg.Wait()
	exact(t, d, "a race")
}

func TestAFileThatIsOpenKeepsItsBlocks(t *testing.T) {
	d, _ := metered(t, Used{Blocks: 10 * block})
	fd, held, err := d.OpenFile("f", unix.O_CREAT|unix.O_RDWR, 0o600, NoLinks, true)
	must(t, err)
	must(t, held.Truncate(fd, 8*block))
	must(t, d.Unlink("f", NoLinks))
	if now := d.Meter().Now(); now != (Used{Blocks: 8 * block}) {
		t.Errorf("%+v while it is open", now)
	}
	if err := d.Mkdir("d", 0o700); err != nil {
		t.Error(err)
	}
	if err := held.Truncate(fd, 10*block); !errors.Is(err, errOver) {
		t.Errorf("%v", err)
	}
	held.Close(fd)
	must(t, unix.Close(fd))
	exact(t, d, "closing it")
}

func TestAFileThatWasRemovedMeanwhileIsNotOpened(t *testing.T) {
	d, root := metered(t, Used{Blocks: 10 * block})
	fd, held, err := d.OpenFile("f", unix.O_CREAT|unix.O_RDWR, 0o600, NoLinks, true)
	must(t, err)
	must(t, held.Truncate(fd, 3*block))
	held.Close(fd)
	must(t, unix.Close(fd))
	looked, err := unix.Open(filepath.Join(root, "f"), unix.O_PATH, 0)
	must(t, err)
	defer unix.Close(looked)
	must(t, d.Unlink("f", NoLinks))
	// It would be credited once more when it is cut.
	if fd, _, err := d.Meter().opened(false, func() (int, error) { return d.reopen(looked, unix.O_RDWR) }); err != unix.ENOENT {
		t.Errorf("%d %v", fd, err)
	}
	exact(t, d, "a removal")
}

func TestASparseFileCountsAsLongAsItIs(t *testing.T) {
	d, _ := metered(t, Used{Blocks: 1 << 30})
	fd, held, err := d.OpenFile("f", unix.O_CREAT|unix.O_RDWR, 0o600, NoLinks, true)
	must(t, err)
	defer unix.Close(fd)
	defer held.Close(fd)
	for _, size := range []int64{1 << 62, 1<<63 - 1, 1<<30 + 1} {
		if err := held.Truncate(fd, size); !errors.Is(err, errOver) {
			t.Errorf("%d: %v", size, err)
		}
		if _, err := held.Write(fd, size-1, 1, func() (int, error) { return 0, errors.New("written") }); !errors.Is(err, errOver) {
			t.Errorf("%d: %v", size, err)
		}
	}
	must(t, held.Truncate(fd, 1<<30))
	exact(t, d, "a file of just that length")
}

func TestWhereOthersWriteNothingIsCredited(t *testing.T) {
	d, root := metered(t, Used{Blocks: 1 << 20})
	fd, held, err := d.OpenFile("f", unix.O_CREAT|unix.O_RDWR, 0o600, NoLinks, true)
	must(t, err)
	must(t, held.Truncate(fd, 2*block))
	d.Meter().Loosen()
	must(t, os.WriteFile(filepath.Join(root, "theirs"), make([]byte, 5*block), 0o600))
	must(t, os.Truncate(filepath.Join(root, "f"), 9*block)) // theirs, too
	must(t, held.Truncate(fd, 0))
	must(t, d.Unlink("theirs", NoLinks))
	held.Close(fd)
	must(t, unix.Close(fd))
	must(t, d.Unlink("f", NoLinks))
	if now := d.Meter().Now(); now != (Used{Blocks: 2 * block, Inodes: 1}) {
		t.Errorf("%+v", now)
	}
}

// The kernel appends to what was opened so, whatever the offset of the write.
func TestAnAppendedFileIsCountedWhateverTheOffset(t *testing.T) {
	d, _ := metered(t, Used{Blocks: 4 * block})
	fd, held, err := d.OpenFile("f", unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND, 0o600, NoLinks, true)
	must(t, err)
	defer unix.Close(fd)
	defer held.Close(fd)
	for i := 0; ; i++ {
		_, err := held.Write(fd, 0, block, func() (int, error) { return unix.Pwrite(fd, make([]byte, block), 0) })
		if i < 4 {
			must(t, err)
		} else if !errors.Is(err, errOver) {
			t.Fatalf("write %d: %v", i, err)
		} else {
			break
		}
	}
	exact(t, d, "appending")
}

func TestScratchCountsWhileItIsThere(t *testing.T) {
	d, _ := metered(t, Used{Blocks: 10 * block})
	s := opened(t, t.TempDir())
	s.Count(d.Meter().Child())
	must(t, s.Mkdir("d", 0o700))
	fd, held, err := s.OpenFile("f", unix.O_CREAT|unix.O_RDWR, 0o600, NoLinks, false)
	must(t, err)
	must(t, held.Truncate(fd, 8*block))
	if err := held.Truncate(fd, 10*block); !errors.Is(err, errOver) {
		t.Errorf("%v", err)
	}
	held.Close(fd)
	must(t, unix.Close(fd))
	if now := d.Meter().Now(); now != (Used{Blocks: 9 * block, Inodes: 2}) {
		t.Errorf("%+v", now)
	}
	s.Meter().End()
	if now := d.Meter().Now(); now != (Used{}) {
		t.Errorf("afterwards %+v", now)
	}
}
