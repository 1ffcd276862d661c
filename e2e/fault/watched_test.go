//go:build fault

package fault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// point is a call that is about to change something beneath the directory
// that is watched.
type point struct {
	n    int // counted from 1
	call string
	path string
}

func (p point) String() string { return fmt.Sprintf("%d (%s %s)", p.n, p.call, p.path) }

// verdict is what becomes of a call.
type verdict struct {
	kill bool       // the process ends before it
	fail unix.Errno // it is not made and returns this
	skip bool       // it is not made and returns 0
}

type outcome struct {
	stdout, stderr string
	code           int
	killed         bool
	points         int
	wrong          []string // what was seen meanwhile
	at             point    // the first that was not let be
}

// run runs a program beneath whose eyes dir is watched, and has judge decide
// of each point. It returns when nothing of the program runs any more.
func run(cmd *exec.Cmd, dir string, judge func(point) verdict) (outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return outcome{}, err
	}
	cmd.Args = append([]string{self, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	cmd.Env = append(cmd.Environ(), launchVar+"=1")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return outcome{}, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd.ExtraFiles = []*os.File{theirs}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		unix.Close(pair[0])
		return outcome{}, err
	}
	listener, err := receive(pair[0])
	unix.Close(pair[0])
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return outcome{}, fmt.Errorf("%w: %s", err, errs.String())
	}
	defer unix.Close(listener)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	w := watcher{listener: listener, dir: dir, leader: cmd.Process.Pid, judge: judge, calls: changing()}
	err = w.loop()
	if err != nil {
		cmd.Process.Kill()
	}
	var exit *exec.ExitError
	if e := <-ended; e != nil && !errors.As(e, &exit) {
		err = errors.Join(err, e)
	}
	return outcome{
		stdout: out.String(), stderr: errs.String(), code: cmd.ProcessState.ExitCode(),
		killed: w.killed, points: w.points, at: w.at,
	}, err
}

// receive gets the descriptor that a launched process sends.
func receive(socket int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("the process sent no descriptor: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("the process sent no descriptor: %v", err)
	}
	return fds[0], nil
}

type watcher struct {
	listener int
	dir      string
	leader   int
	judge    func(point) verdict
	calls    map[int32]call
	points   int
	killed   bool
	at       point
}

// notification is struct seccomp_notif, reply struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type reply struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

const (
	notifRecv = 0xc0502100
	notifSend = 0xc0182101
)

func (w *watcher) loop() error {
	for {
		fds := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return err
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			if fds[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
				return nil
			}
			continue
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.listener), notifRecv, uintptr(unsafe.Pointer(&n))); errno != 0 {
			if errno == unix.ENOENT || errno == unix.EINTR || errno == unix.ENOTCONN {
				continue // it was killed meanwhile
			}
			return fmt.Errorf("seccomp notification: %w", errno)
		}
		r := w.answer(&n)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.listener), notifSend, uintptr(unsafe.Pointer(&r))); errno != 0 && errno != unix.ENOENT {
			return fmt.Errorf("answer a seccomp notification: %w", errno)
		}
	}
}

func (w *watcher) answer(n *notification) reply {
	if w.killed {
		unix.Kill(group(n.pid), unix.SIGKILL)
		return reply{id: n.id, errno: -int32(unix.EIO)}
	}
	c := w.calls[n.nr]
	path, counts := w.changed(n, c)
	if !counts {
		return reply{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	}
	w.points++
	p := point{w.points, c.name, path}
	v := w.judge(p)
	if v != (verdict{}) && w.at.n == 0 {
		w.at = p
	}
	switch {
	case v.kill:
		w.killed = true
		unix.Kill(w.leader, unix.SIGKILL)
		unix.Kill(group(n.pid), unix.SIGKILL)
		return reply{id: n.id, errno: -int32(unix.EIO)}
	case v.fail != 0:
		return reply{id: n.id, errno: -int32(v.fail)}
	case v.skip:
		return reply{id: n.id}
	}
	return reply{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
}

// group is the process of a thread.
func group(tid uint32) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return int(tid)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "Tgid:"); ok {
			if pid, err := strconv.Atoi(strings.TrimSpace(rest)); err == nil {
				return pid
			}
		}
	}
	return int(tid)
}

// changed names what a call changes, and tells whether it lies in the
// directory that is watched.
func (w *watcher) changed(n *notification, c call) (string, bool) {
	var path string
	switch {
	case c.fd >= 0:
		path = link(n.pid, fmt.Sprintf("fd/%d", int32(n.args[c.fd])))
	case c.at >= 0:
		name := text(n.pid, n.args[c.at+1])
		path = within(n.pid, int32(n.args[c.at]), name)
		if c.name == "openat2" && !creates(n.pid, n.args[2]) {
			return path, false
		}
	default:
		path = within(n.pid, unix.AT_FDCWD, text(n.pid, n.args[c.path]))
	}
	return strings.TrimPrefix(path, w.dir), path == w.dir || strings.HasPrefix(path, w.dir+"/")
}

// within is a name in a directory that a process has open.
func within(pid uint32, fd int32, name string) string {
	for _, self := range []string{"/proc/self/fd/", "/proc/thread-self/fd/"} {
		if rest, ok := strings.CutPrefix(name, self); ok {
			number, rest, _ := strings.Cut(rest, "/")
			return filepath.Join(link(pid, "fd/"+number), rest)
		}
	}
	switch {
	case strings.HasPrefix(name, "/"):
		return filepath.Clean(name)
	case fd == unix.AT_FDCWD:
		return filepath.Join(link(pid, "cwd"), name)
	}
	return filepath.Join(link(pid, fmt.Sprintf("fd/%d", fd)), name)
}

func link(pid uint32, name string) string {
	to, _ := os.Readlink(fmt.Sprintf("/proc/%d/%s", pid, name))
	return strings.TrimSuffix(to, " (deleted)")
}

// text reads a string of another process.
func text(pid uint32, at uint64) string {
	buf := make([]byte, unix.PathMax)
	buf = buf[:peek(pid, at, buf)]
	if i := bytes.IndexByte(buf, 0); i >= 0 {
		buf = buf[:i]
	}
	return string(buf)
}

// creates looks into the struct open_how of an openat2.
func creates(pid uint32, at uint64) bool {
	how := unix.OpenHow{}
	n := peek(pid, at, (*[8]byte)(unsafe.Pointer(&how))[:])
	return n == 8 && how.Flags&opening != 0
}

// peek reads another process's memory, as far as it goes.
func peek(pid uint32, at uint64, buf []byte) int {
	if at == 0 {
		return 0
	}
	first := int(4096 - at%4096)
	remote := []unix.RemoteIovec{{Base: uintptr(at), Len: min(first, len(buf))}}
	if first < len(buf) {
		remote = append(remote, unix.RemoteIovec{Base: uintptr(at) + uintptr(first), Len: len(buf) - first})
	}
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	n, _ := unix.ProcessVMReadv(int(pid), local, remote, 0)
	return max(n, 0)
}
