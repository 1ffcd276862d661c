package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/lockdown"
	"github.com/bulkhead/bulkhead/host/engine/wire"
)

// kept is a child. Children are started and reaped by a goroutine of their own, on a
// thread that was locked down first: so the child is from its first
// instruction, and dies with us, which the kernel counts by threads. The
// thread ends with the child.
type kept struct {
	socket wire.Socket
	proc   *os.Process
	// done is closed when the child was reaped, with state.
	done  chan struct{}
	state *os.ProcessState
	close sync.Once
}

func (r *Runtime) start(name string, cache *os.File, access lockdown.Access) (*kept, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: socket: %w", engine.ErrNoProcess, err)
	}
	k := &kept{socket: wire.Socket(ends[0]), done: make(chan struct{})}
	theirs := os.NewFile(uintptr(ends[1]), "child")
	started := make(chan error, 1)
	go r.keep(k, started, name, theirs, cache, access)
	err = <-started
	theirs.Close()
	if err != nil {
		<-k.done
		unix.Close(ends[0])
		return nil, fmt.Errorf("%w: %w", engine.ErrNoProcess, err)
	}
	return k, nil
}

func (r *Runtime) keep(k *kept, started chan<- error, name string, theirs, cache *os.File, access lockdown.Access) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread cannot be done without: while it is held here, it
		// will be another.
		defer runtime.UnlockOSThread()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.keep(k, started, name, theirs, cache, access)
		}()
		<-ended
		return
	}
	defer close(k.done)
	if err := ours(); err != nil {
		started <- err
		return
	}
	if err := lockdown.Thread(r.paths(int(cache.Fd()), access)); err != nil {
		started <- err
		return
	}
	proc, err := os.StartProcess(self, []string{wire.ChildName, name}, &os.ProcAttr{
		Dir: "/",
		// Two processors: one for the guest and one for collecting garbage.
		Env:   []string{"GOMAXPROCS=" + strconv.Itoa(min(2, runtime.GOMAXPROCS(0)))},
		Files: []*os.File{r.null, r.null, r.null, theirs, cache},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: r.user.id},
	})
	k.proc = proc
	started <- err
	if err == nil {
		k.state, _ = proc.Wait() // of a child of ours that nobody else waits for
	}
}

// ours keeps descriptors that this process was started with, or that somebody
// opened without a thought, from being passed on to processes that it starts.
func ours() error {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, name := range names {
		fd, err := strconv.Atoi(name.Name())
		if err != nil {
			return err
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || fd <= 2 || flags&unix.FD_CLOEXEC != 0 {
			continue // it is closed meanwhile, or as it should be
		}
		unix.CloseOnExec(fd)
	}
	return nil
}

// kill ends the child, wherever it is.
func (k *kept) kill() { _ = k.proc.Kill() } // it may have ended

// end ends the child and waits until nothing is left of it.
func (k *kept) end() {
	k.kill()
	<-k.done
	k.close.Do(func() { unix.Close(int(k.socket)) })
}

// gone reports whether a child that nobody asked anything has ended, or speaks
// all the same.
func (k *kept) gone() bool {
	fds := []unix.PollFd{{Fd: int32(k.socket), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n != 0 || err != nil
}
