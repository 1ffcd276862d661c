package lockdown

import "golang.org/x/sys/unix"

// What becomes of a system call.
const (
	allow = unix.SECCOMP_RET_ALLOW
	kill  = unix.SECCOMP_RET_KILL_PROCESS
	eperm = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	// enosys makes libraries try what came before.
	enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// rule is one system call: what becomes of it if all conditions hold, and what
// else.
type rule struct {
	nr   uint32
	then uint32
	when []condition
	els  uint32
}

// condition compares the lower half of an argument; what the callers here
// compare has nothing in the upper one that would matter.
type condition struct {
	arg         int
	mask, value uint32
}

// Of struct seccomp_data.
const (
	atNumber = 0
	atArch   = 4
	atArgs   = 16
)

// program is the filter of a list of rules; any other call ends in otherwise.
func program(rules []rule, otherwise uint32) []unix.SockFilter {
	ld := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	jump := func(how uint16, k uint32, jt, jf int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: uint8(jt), Jf: uint8(jf), K: k}
	}
	out := []unix.SockFilter{
		ld(atArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(kill),
		ld(atNumber), jump(unix.BPF_JGE, foreignNumbers, 0, 1), ret(kill),
	}
	for _, r := range rules {
		var body []unix.SockFilter
		for _, c := range r.when {
			body = append(body,
				ld(uint32(atArgs+8*c.arg)), // little-endian: the lower half comes first
				unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask},
				jump(unix.BPF_JEQ, c.value, 1, 0), ret(r.els))
		}
		body = append(body, ret(r.then))
		out = append(out, jump(unix.BPF_JEQ, r.nr, 0, len(body)))
		out = append(out, body...)
	}
	return append(out, ret(otherwise))
}
