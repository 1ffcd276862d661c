package rootlock

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/layer"
)

const childRoot = "ROOTLOCK_TEST_ROOT"

// As a child, hold the writer's lock until standard input ends.
func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		_, err := Acquire(context.Background(), root, "vfs", Write, 0)
		fmt.Println("held", err)
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // without Release: the lock has to end with the process
	}
	os.Exit(m.Run())
}

func acquire(t *testing.T, root string, mode Mode) (*Lock, error) {
	t.Helper()
	l, err := Acquire(t.Context(), root, "vfs", mode, 0)
	if err == nil {
		t.Cleanup(func() { l.Release() })
	}
	return l, err
}

func TestModesExcludeEachOther(t *testing.T) {
	for _, c := range []struct {
		first, second Mode
		together      bool
	}{
		{Read, Read, true}, {Read, Write, true}, {Write, Read, true}, {Read, Remove, false}, {Remove, Read, false},
		{Write, Write, false}, {Write, Remove, false}, {Remove, Write, false}, {Remove, Remove, false},
	} {
		root := t.TempDir()
		l, err := acquire(t, root, Write) // makes the files
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Release(), l.Release()); err != nil {
			t.Fatal(err)
		}
		first, err := acquire(t, root, c.first)
		if err != nil {
			t.Fatalf("%s: %v", c.first, err)
		}
		_, err = acquire(t, root, c.second)
		if (err == nil) != c.together || err != nil && !errors.Is(err, layer.ErrLocked) {
			t.Errorf("%s, then %s: %v", c.first, c.second, err)
		}
		first.Release()
		if _, err = acquire(t, root, c.second); err != nil && !c.together {
			t.Errorf("%s after %s was released: %v", c.second, c.first, err)
		}
	}
}

func TestReadersOfOneDriverDoNotHinderRemovalInAnother(t *testing.T) {
	root := t.TempDir()
	for _, driver := range []string{"vfs", "overlay2"} {
		l, err := Acquire(t.Context(), root, driver, Write, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	if _, err := acquire(t, root, Read); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(t.Context(), root, "overlay2", Remove, 0)
	if err != nil {
		t.Error(err)
	}
	l.Release()
}

func TestReadingCreatesNothing(t *testing.T) {
	root := t.TempDir()
	l, err := acquire(t, root, Read)
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Error(entries)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestOtherProcessIsNamedAndItsLockEndsWithIt(t *testing.T) {
	root := t.TempDir()
	cmd := exec.Command(os.Args[0], "image", "load")
	cmd.Env = append(os.Environ(), childRoot+"="+root)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "held <nil>\n" {
		t.Fatal(line)
	}
	_, err := acquire(t, root, Write)
	if err == nil || !errors.Is(err, layer.ErrLocked) {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("pid %d ", cmd.Process.Pid), "image load) since 2", "--lock-timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: says nothing of %q", err, want)
		}
	}
	done := make(chan error)
	go func() {
		l, err := Acquire(t.Context(), root, "vfs", Write, 10*time.Second)
		done <- errors.Join(err, l.Release())
	}()
	time.Sleep(20 * time.Millisecond)
	in.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsWithTimeoutAndContext(t *testing.T) {
	root := t.TempDir()
	if _, err := acquire(t, root, Write); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := Acquire(t.Context(), root, "vfs", Write, 50*time.Millisecond); !errors.Is(err, layer.ErrLocked) || time.Since(start) < 50*time.Millisecond {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(30*time.Millisecond, cancel)
	if _, err := Acquire(ctx, root, "vfs", Write, time.Hour); !errors.Is(err, context.Canceled) || !errors.Is(err, layer.ErrLocked) {
		t.Error(err)
	}
}

func TestDockersRootIsLockedAgainstDockerd(t *testing.T) {
	root := t.TempDir()
	db := filepath.Join(root, "volumes", "metadata.db")
	if err := errors.Join(os.Mkdir(filepath.Dir(db), 0o700), os.WriteFile(db, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	dockerd, err := os.Open(db)
	if err != nil {
		t.Fatal(err)
	}
	defer dockerd.Close()
	lock := func(how int) error { return unix.Flock(int(dockerd.Fd()), how|unix.LOCK_NB) }
	if err := lock(unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = Acquire(t.Context(), root, "overlay2", Write, time.Minute)
	if !errors.Is(err, layer.ErrLocked) || !strings.Contains(err.Error(), "dockerd is running on this root; stop it first") || time.Since(start) > 10*time.Second {
		t.Error(err)
	}
	if _, err := acquire(t, root, Read); err != nil {
		t.Errorf("reading beside dockerd: %v", err)
	}
	if err := lock(unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	l, err := acquire(t, root, Remove)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(unix.LOCK_EX); err != unix.EWOULDBLOCK {
		t.Errorf("dockerd could start: %v", err)
	}
	l.Release()
	if err := lock(unix.LOCK_EX); err != nil {
		t.Errorf("dockerd cannot start again: %v", err)
	}
}
