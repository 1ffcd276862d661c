package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/hostile"
)

// everywhere runs a test of one siege in every isolation.
func everywhere(t *testing.T, limits calls.Limits, test func(t *testing.T, s *siege)) {
	t.Helper()
	wasm := buildHostile(t)
	for _, iso := range isolations() {
		t.Run(iso.name, func(t *testing.T) {
			s := besiege(t, iso, iso.in(t).compile("hostile", wasm, hostileMemory), limits)
			defer s.d.Close(context.Background())
			test(t, s)
		})
	}
}

// Two calls run at a time. One swaps a name between a directory and a link that
// leads out; the other does all that there is through that name.
func TestNoRaceBetweenCallsLeadsOut(t *testing.T) {
	limits := hostileLimits(20 * time.Second)
	limits.OpenFiles = 1000
	everywhere(t, limits, func(t *testing.T, s *siege) {
		must(t, s.attack("create", "race-prepare"))
		var wg sync.WaitGroup
		var over atomic.Bool
		var rounds atomic.Int32
		wg.Go(func() {
			defer over.Store(true)
			for swapped := false; !swapped || rounds.Load() < 2; swapped = true {
				if err := s.attack("create", "race-swap"); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for !over.Load() {
				if err := s.attack("put", "race-go"); err != nil {
					t.Error(err)
					rounds.Store(2)
					return
				}
				rounds.Add(1)
			}
		})
		wg.Go(func() {
			for !over.Load() {
				// Whether its base was moved on the way is no matter.
				_ = s.attack("apply_diff", "race-apply")
			}
		})
		wg.Wait()
		s.unharmed(t)
		must(t, s.attack("create", "race-tidy"))
	})
}

func TestNothingButFilesAndDirectoriesIsOpened(t *testing.T) {
	everywhere(t, hostileLimits(20*time.Second), func(t *testing.T, s *siege) {
		dir := filepath.Join(s.root, "home/l/nodes")
		must(t, os.Mkdir(dir, 0o755))
		must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666))
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		must(t, err)
		defer unix.Close(fd)
		at, err := os.Open(dir) // the path of a socket may not be long
		must(t, err)
		defer at.Close()
		must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/socket", at.Fd())}))
		if unprivileged() {
			t.Log("no devices, which only root can make")
		} else {
			must(t, unix.Mknod(filepath.Join(dir, "zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
			must(t, unix.Mknod(filepath.Join(dir, "disk"), unix.S_IFBLK|0o666, int(unix.Mkdev(7, 0))))
		}
		for _, via := range []string{"create", "apply_diff"} {
			if err := s.attack(via, "nodes"); via == "create" && err != nil {
				t.Error(err)
			} else if err != nil && strings.Contains(err.Error(), "was ") {
				t.Error(err)
			}
		}
		// An archive names what is no file, and holds nothing of it.
		if err := s.attack("diff", "nodes-emit"); err != nil && strings.Contains(err.Error(), "deadline") {
			t.Error(err)
		}
		s.unharmed(t)
	})
}

func TestNoMountBeneathTheHomeIsEntered(t *testing.T) {
	if unprivileged() {
		t.Skip("mounting needs root")
	}
	everywhere(t, hostileLimits(20*time.Second), func(t *testing.T, s *siege) {
		at := filepath.Join(s.root, "home/l/mount")
		must(t, os.Mkdir(at, 0o755))
		if err := unix.Mount(s.canary, at, "", unix.MS_BIND, ""); errors.Is(err, unix.EPERM) {
			t.Skip("this machine lets nobody mount: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
		defer func() { must(t, unix.Unmount(at, unix.MNT_DETACH)) }()
		for _, c := range hostile.Mounts() {
			t.Run(c.Attack, func(t *testing.T) {
				judge(t, s, c, c.Via[0], s.attack(c.Via[0], c.Attack))
			})
		}
	})
}

// Who takes an archive may stop. The call then ends at the idle limit.
func TestAStreamThatNobodyServesEndsAtTheIdleLimit(t *testing.T) {
	limits := hostileLimits(20 * time.Second)
	limits.Idle = time.Second
	everywhere(t, limits, func(t *testing.T, s *siege) {
		ctx := context.Background()
		r, err := s.d.Diff(ctx, "x.lock-and-stream", "") // endless, and nobody reads it
		must(t, err)
		lock := hostile.Case{Attack: "lock-after", Via: []string{"create"}, Claim: "what it held is given back", Verdict: hostile.Harmless}
		judge(t, s, lock, "create", s.attack("create", "lock-after")) // waits for its lock
		_, err = io.Copy(io.Discard, r)
		var l *calls.LimitError
		if !errors.As(err, &l) || l.Limit != "stream-idle" || !strings.Contains(err.Error(), "driver hostile: diff x.lock-and-stream") {
			t.Errorf("%v", err)
		}
		must(t, r.Close())
		s.unharmed(t)
	})
}
