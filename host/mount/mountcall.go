package mount

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// maxOptions is how many bytes of options mount(2) takes: a page with the NUL
// at its end.
const maxOptions = 4095

// mountCall mounts by mount(2), for kernels without what the other ways need.
func (s Spec) mountCall(t *target, before func(ID) error) (ID, error) {
	if dir := s.bound(); dir != nil {
		return bindCall(dir.fd, t, s.readOnly(), before)
	}
	options, err := s.callOptions()
	if err != nil {
		return ID{}, err
	}
	if err := before(ID{}); err != nil {
		return ID{}, err
	}
	if err := s.inDescriptors(func() error { return s.callOverlay(t, options) }); err != nil {
		return ID{}, err
	}
	id, err := t.landed(ID{}, t.undo)
	if err != nil {
		return ID{}, err
	}
	if err := s.proven(id, options); err != nil {
		t.undo()
		return ID{}, fmt.Errorf("mount on %q: %w", t.path, err)
	}
	return id, nil
}

// callOptions is the option string of mount(2). The directories are named by
// the numbers of their descriptors, relative to /proc/self/fd.
func (s Spec) callOptions() (string, error) {
	var lowers, all []string
	for _, o := range s.options() {
		switch {
		case o.key == lowerAppended:
			lowers = append(lowers, strconv.Itoa(o.dir.fd))
		case o.dir != nil:
			all = append(all, o.key+"="+strconv.Itoa(o.dir.fd))
		case o.key == "context":
			all = append(all, `context="`+o.value+`"`) // a label may hold commas
		case o.value != "":
			all = append(all, o.key+"="+o.value)
		default:
			all = append(all, o.key)
		}
	}
	options := strings.Join(append([]string{"lowerdir=" + strings.Join(lowers, ":")}, all...), ",")
	if len(options) > maxOptions {
		return "", fmt.Errorf("%w: %d layers make %d bytes of mount options, and this kernel takes %d: squash some",
			graphdriver.ErrLimit, len(s.Lower), len(options), maxOptions)
	}
	return options, nil
}

func (s Spec) callOverlay(t *target, options string) error {
	flags := uintptr(0)
	if s.readOnly() {
		flags = unix.MS_RDONLY
	}
	// With the working directory in /proc/self/fd the target is named as the
	// rest is.
	err := unix.Mount("overlay", strconv.Itoa(t.fd), "overlay", flags, options)
	if errors.Is(err, unix.ENODEV) {
		return noOverlay()
	}
	if _, statErr := os.Stat("/sys/fs/selinux"); statErr != nil && s.Label != "" && errors.Is(err, unix.EINVAL) {
		return noLabel(s.Label)
	}
	if err != nil {
		return failed(fmt.Sprintf("overlay on %q", t.path), err)
	}
	return nil
}

// inDescriptors runs f where the working directory is /proc/self/fd: in a
// thread of its own, which is thrown away. Before and after f each name must
// lead to the directory that is pinned.
func (s Spec) inDescriptors(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("a working directory of its own: %w", err)
			}
			if err := enterDescriptors(); err != nil {
				return err
			}
			if err := s.namesHold(); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-done
}

func enterDescriptors() error {
	fd, err := unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/proc/self/fd", Err: err}
	}
	defer unix.Close(fd)
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	if uint32(st.Type) != unix.PROC_SUPER_MAGIC {
		return errors.New("/proc is not the kernel's; mount it (mount -t proc proc /proc)")
	}
	return unix.Fchdir(fd)
}

// namesHold compares what a descriptor's number names, from the working
// directory, with what was pinned. The numbers stay while the Spec is held.
func (s Spec) namesHold() error {
	for _, o := range s.options() {
		if o.dir == nil {
			continue
		}
		var st unix.Stat_t
		if err := unix.Stat(strconv.Itoa(o.dir.fd), &st); err != nil {
			return fmt.Errorf("%s %s: %w", o.key, o.dir.name, err)
		}
		if st.Dev != o.dir.dev || st.Ino != o.dir.ino {
			return fmt.Errorf("%s %s: /proc/self/fd does not lead to it", o.key, o.dir.name)
		}
	}
	return nil
}

// proven checks what the kernel says it has mounted.
func (s Spec) proven(id ID, options string) error {
	t, err := ReadTable()
	if err != nil {
		return err
	}
	e, ok := t.ByID(id.Mount)
	if !ok || e.FSType != "overlay" {
		return errors.New("what is mounted there is no overlay")
	}
	lowers, _, _ := strings.Cut(options, ",")
	shown := ""
	for _, o := range strings.Split(e.Super, ",") {
		if strings.HasPrefix(o, "lowerdir=") {
			shown = o
		}
	}
	if shown != lowers {
		return fmt.Errorf("the kernel shows %.200q of what was mounted as %.200q", shown, lowers)
	}
	return nil
}
