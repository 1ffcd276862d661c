package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// buildHostile compiles the attacking driver.
func buildHostile(t testing.TB) []byte {
	t.Helper()
	return build(t, "hostile/guest")
}

// besieged is a siege like any other, in this process.
func besieged(t *testing.T) *siege {
	t.Helper()
	iso := isolations()[0]
	return besiege(t, iso, iso.in(t).compile("hostile", buildHostile(t), hostileMemory), hostileLimits(20*time.Second))
}

// siege is a home with an honest layer that is committed (sealed), two that
// are not (peer, spare), and a directory beside the home. Whatever a hostile
// call does, all of these stay as they are.
type siege struct {
	d      *host.Driver
	root   string
	canary string
	before string
	logs   *observer.ObservedLogs
	log    *zap.Logger
}

func besiege(t *testing.T, iso isolation, compile host.Compile, limits calls.Limits) *siege {
	t.Helper()
	ctx := context.Background()
	core, logs := observer.New(zap.InfoLevel)
	s := &siege{root: t.TempDir(), logs: logs, log: zap.New(core)}
	s.canary = filepath.Join(s.root, "canary")
	if err := os.MkdirAll(filepath.Join(s.canary, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.canary, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	s.d, err = host.Open(ctx, s.config(iso, limits), compile)
	if err != nil {
		t.Fatal(err)
	}
	layer := graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/g", "g"), graphtest.File("f", "content"),
		graphtest.File("twin", "twin"), graphtest.Symlink("out", "../../../canary"))
	for _, id := range []string{"sealed", "peer", "spare"} {
		if err := s.d.Create(ctx, id, "", graphdriver.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.d.ApplyDiff(ctx, id, "", bytes.NewReader(layer)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.attack("create", "make-twin"); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Seal(ctx, "sealed"); err != nil {
		t.Fatal(err)
	}
	s.before = s.guarded(t)
	return s
}

// config is that of the driver.
func (s *siege) config(iso isolation, limits calls.Limits) host.Config {
	return host.Config{
		Name: "hostile", Home: filepath.Join(s.root, "home"), State: filepath.Join(s.root, "state"), Scratch: s.root,
		Isolation: iso.where, Unprivileged: unprivileged(), Limits: limits, Log: s.log,
		Grants: []string{"chown", "xattr.user", "mknod.whiteout"},
	}
}

// attack has the driver do one thing in one of its methods.
func (s *siege) attack(via, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	id := "x." + name
	switch via {
	case "create":
		return s.d.Create(ctx, id, "", graphdriver.CreateOptions{StorageOpt: map[string]string{"target": s.canary}})
	case "create_read_write":
		return s.d.CreateReadWrite(ctx, id, "", graphdriver.CreateOptions{})
	case "remove":
		return s.d.Remove(ctx, id)
	case "get":
		_, err := s.d.Get(ctx, id, "")
		return err
	case "put":
		return s.d.Put(ctx, id)
	case "exists":
		_, err := s.d.Exists(ctx, id)
		return err
	case "get_metadata":
		_, err := s.d.GetMetadata(ctx, id)
		return err
	case "status", "cleanup":
		if _, err := s.d.Exists(ctx, "arm."+name); err != nil {
			return err
		}
		if via == "cleanup" {
			return s.d.Cleanup(ctx)
		}
		_, err := s.d.Status(ctx)
		return err
	case "diff":
		r, err := s.d.Diff(ctx, id, "")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return errors.Join(err, r.Close())
	case "changes":
		_, err := s.d.Changes(ctx, id, "")
		return err
	case "diff_size":
		_, err := s.d.DiffSize(ctx, id, "")
		return err
	case "diff_getter":
		g, err := s.d.DiffGetter(ctx, id)
		if err == nil {
			err = g.Close()
		}
		return err
	case "apply_diff":
		return s.apply(ctx, id)
	case "repair":
		return s.d.MendLayer(ctx, id, "sealed")
	}
	return fmt.Errorf("no method %q", via)
}

// apply feeds an archive larger than one batch, which is read to its end
// whatever the driver does.
func (s *siege) apply(ctx context.Context, id string) error {
	t := &testing.T{}
	archive := bytes.NewReader(graphtest.Archive(t, graphtest.File("a", "abc"), graphtest.File("b", "bcd"), graphtest.Dir("c"),
		graphtest.Symlink("out", "../../../canary"), graphtest.File("large", strings.Repeat("large", 300<<10)), graphtest.File("z", "last")))
	_, err := s.d.ApplyDiff(ctx, id, "", archive)
	if archive.Len() > 0 && !errors.Is(err, graphdriver.ErrUseNaive) {
		return fmt.Errorf("%d bytes of the archive were left unread; %w", archive.Len(), err)
	}
	return err
}

// guarded lists everything that no hostile call may change.
func (s *siege) guarded(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, tree := range []string{s.canary, filepath.Join(s.root, "home/l/sealed"), filepath.Join(s.root, "home/l/peer"), filepath.Join(s.root, "home/l/spare")} {
		err := filepath.WalkDir(tree, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			fi, err := d.Info()
			if err != nil {
				return err
			}
			st := fi.Sys().(*syscall.Stat_t)
			var content string
			switch {
			case fi.Mode().IsRegular():
				c, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				content = string(c)
			case fi.Mode()&fs.ModeSymlink != 0:
				if content, err = os.Readlink(p); err != nil {
					return err
				}
			}
			names := make([]byte, 1024)
			n, err := unix.Llistxattr(p, names)
			if err != nil && !errors.Is(err, unix.ENOTSUP) {
				return err
			}
			fmt.Fprintf(&b, "%s %v %d:%d links %d, %v %v, %q %q\n", p, fi.Mode(), st.Uid, st.Gid, st.Nlink, st.Mtim, st.Ctim, content, names[:max(n, 0)])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// unharmed checks what must hold after every attack: what is guarded is as it
// was, and the driver serves the next call.
func (s *siege) unharmed(t *testing.T) {
	t.Helper()
	if after := s.guarded(t); after != s.before {
		t.Fatalf("guarded trees changed from\n%s\nto\n%s", s.before, after)
	}
	if ok, err := s.d.Exists(context.Background(), "peer"); err != nil || !ok {
		t.Fatalf("the next call: %v %v", ok, err)
	}
}

// resources counts what a leak would show in.
func resources(t *testing.T) (goroutines, files int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return goruntime.NumGoroutine(), len(fds)
}

// noLeaks compares with a count taken before, and waits for what is on its way
// out.
func noLeaks(t *testing.T, goroutines, files int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		g, f := resources(t)
		if g <= goroutines && f <= files {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d files, before %d and %d\n%s", g, f, goroutines, files, stacks[:goruntime.Stack(stacks, true)])
		}
	}
}

// hostileLimits end an attack soon.
func hostileLimits(deadline time.Duration) calls.Limits {
	return calls.Limits{Deadline: deadline, Idle: 20 * time.Second, Log: 4 << 10, Output: 64 << 10, OpenFiles: 64}
}

var hostileMemory = engine.Limits{MemoryPages: 640, Idle: 1}
