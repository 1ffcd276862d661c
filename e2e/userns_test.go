//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// anybody is a directory in which a user without powers may work, with the
// program and an image in it.
func anybody(t *testing.T) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming nobody needs root")
	}
	dir, err := os.MkdirTemp("", "anybody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	tool(t, "cp", filepath.Join(repo(t), "bin/bulkhead"), filepath.Join(dir, "program"))
	tool(t, "cp", debianSlim(t), filepath.Join(dir, "image.tar"))
	tool(t, "chmod", "-R", "a+rX", dir)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// asNobody runs a script in dir without any power; inside is as root of a user
// namespace that has one number only.
func asNobody(t *testing.T, dir string, inside bool, script string) result {
	t.Helper()
	const nobody = 65534
	cmd := exec.Command("sh", "-euc", "b='./program --root root'\n"+script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if inside {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}},
			Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		}
	}
	return finish(t, cmd)
}

// Overlay takes no privilege in a user namespace: an image is loaded, mounted,
// changed and committed there, and what was recorded of owners and devices is
// exported as it came.
func TestOverlayWorksInAUserNamespace(t *testing.T) {
	t.Parallel()
	dir := anybody(t)
	r := asNobody(t, dir, true, `
		$b image load -q -i image.tar
		$b image verify
		$b image save --format oci-archive -o out.tar debian-slim:1
		m=$($b mount debian-slim:1); cat $m/etc/debian_version; $b umount $m
		$b layer create --parent debian-slim:1 w
		m=$($b mount w)
		echo hi >$m/hello; rm $m/etc/debian_version
		$b umount w
		$b layer changes w
		$b layer commit -t new:1 w
		$b image verify new:1
		$b image squash -t one:1 new:1
		$b image verify one:1
		ls root`)
	if r.code != 0 {
		t.Fatalf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for _, want := range []string{"A /hello\n", "D /etc/debian_version\n", "\noverlay2\n"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	saved := digests(t, filepath.Join(dir, "out.tar"))
	for _, diff := range newProgram(t).diffsOf(debianSlim(t)) {
		if saved[diff] == "" {
			t.Errorf("layer %s is not in the archive that was saved", diff)
		}
	}
}

// diffsOf loads an image and tells its layers.
func (p *program) diffsOf(archive string) []string {
	p.t.Helper()
	p.ok("image", "load", "-q", "-i", archive)
	return p.diffIDs(debianSlimID)
}

// Where overlay cannot be used another driver is, and the reason is told.
func TestWithoutPowersVFSIsUsedAndWhyIsSaid(t *testing.T) {
	t.Parallel()
	dir := anybody(t)
	r := asNobody(t, dir, false, `
		$b image load -q -i image.tar
		$b image verify
		ls root`)
	if r.code != 0 || !strings.Contains(r.stdout, "\nvfs\n") || strings.Contains(r.stdout, "overlay2") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if !strings.Contains(r.stderr, "overlay cannot be used here") || !strings.Contains(r.stderr, "operation not permitted") {
		t.Errorf("the reason is not told: %s", r.stderr)
	}
}
