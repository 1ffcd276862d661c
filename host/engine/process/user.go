package process

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// nobody is who a child is where this process is root.
const nobody = 65534

// user is who children are: nil for who we are.
type user struct {
	id *syscall.Credential
}

func unprivileged() user {
	if os.Geteuid() != 0 || !mapped("/proc/self/uid_map", nobody) || !mapped("/proc/self/gid_map", nobody) {
		return user{}
	}
	groups, _ := os.ReadFile("/proc/self/setgroups") // not there without user namespaces
	return user{&syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: bytes.HasPrefix(groups, []byte("deny"))}}
}

// mapped reports whether an id exists in our user namespace.
func mapped(file string, id uint64) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return os.IsNotExist(err)
	}
	for line := range bytes.Lines(text) {
		var first, outside, count uint64
		if n, _ := fmt.Sscan(string(line), &first, &outside, &count); n == 3 && id >= first && id-first < count {
			return true
		}
	}
	return false
}

// mayRun refuses a program that its children could not be.
func (u user) mayRun() error {
	fi, err := os.Stat(self)
	if err != nil {
		return err
	}
	if u.id != nil && fi.Mode().Perm()&0o001 == 0 {
		name, _ := os.Executable()
		return fmt.Errorf("drivers run in processes of this program as user %d, who may not execute it: chmod 755 %s, or set isolation: thread", nobody, name)
	}
	return nil
}

// give makes a directory the child's.
func (u user) give(dir string) error {
	if u.id == nil {
		return nil
	}
	return os.Lchown(dir, int(u.id.Uid), int(u.id.Gid))
}
