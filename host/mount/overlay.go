package mount

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// overlayContext begins a mount of an overlay.
func overlayContext() (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return -1, errWay
	case errors.Is(err, unix.ENODEV):
		return -1, noOverlay()
	case err != nil:
		return -1, failed("open an overlay context", err)
	}
	return fs, nil
}

func noOverlay() error {
	return fmt.Errorf("%w: this kernel has no overlay file system (modprobe overlay)", graphdriver.ErrNotSupported)
}

func noLabel(label string) error {
	return fmt.Errorf("%w: SELinux is not enabled here, or does not know the label %q", graphdriver.ErrNotSupported, label)
}

// detachedOverlay makes an overlay that is mounted nowhere yet.
func (s Spec) detachedOverlay(w way) (int, error) {
	fs, err := overlayContext()
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetString(fs, "source", "overlay"); err != nil {
		return -1, contextFailed(fs, "source", err)
	}
	for _, o := range s.options() {
		if err := o.set(fs, w); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, contextFailed(fs, "create", err)
	}
	attrs := 0
	if s.readOnly() {
		attrs = unix.MOUNT_ATTR_RDONLY
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attrs)
	if err != nil {
		return -1, contextFailed(fs, "mount", err)
	}
	return fd, nil
}

// set gives one option to a context. Whether a kernel takes directories this
// way, the first of them shows.
func (o option) set(fs int, w way) error {
	var err error
	switch {
	case o.dir != nil && w == byFD:
		err = unix.FsconfigSetFd(fs, o.key, o.dir.fd)
	case o.dir != nil:
		err = unix.FsconfigSetString(fs, o.key, procPath(o.dir.fd))
	case o.value != "":
		err = unix.FsconfigSetString(fs, o.key, o.value)
	default:
		err = unix.FsconfigSetFlag(fs, o.key)
	}
	if err == nil {
		return nil
	}
	said := kernelSays(fs)
	if o.dir != nil {
		unknown := said == "" || strings.Contains(said, "Unknown parameter") || strings.Contains(said, "Bad value")
		if errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL) && unknown {
			return errWay
		}
		return optionFailed(o.key+"="+o.dir.name, said, err)
	}
	if o.key == "context" && errors.Is(err, unix.EINVAL) {
		return noLabel(o.value)
	}
	return optionFailed(o.key, said, err)
}

func contextFailed(fs int, what string, err error) error {
	return optionFailed(what, kernelSays(fs), err)
}

func optionFailed(what, said string, err error) error {
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return failed("overlay "+what, err)
}

// kernelSays reads a context's messages, which say more than an errno.
func kernelSays(fs int) string {
	var all []string
	for range 8 {
		buf := make([]byte, 1024)
		n, err := unix.Read(fs, buf)
		if err != nil || n <= 0 {
			break
		}
		// A message is "e " and so on for its level, then the text.
		if text := strings.TrimSpace(string(buf[min(n, 2):n])); text != "" {
			all = append(all, strings.ToValidUTF8(text, "?"))
		}
	}
	return strings.Join(all, "; ")
}

// upperIsFree asks the kernel whether an overlay has the upper directory. An
// overlay whose work directory is its upper is never made, but the kernel
// looks first whether the upper is in use; with index=on that is an error,
// where otherwise it would only be logged.
func (s Spec) upperIsFree() error {
	if s.Kind != Overlay || s.Upper == nil {
		return nil
	}
	fs, err := overlayContext()
	if errors.Is(err, errWay) {
		return nil // the records, and their lock, must do
	}
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	upper := procPath(s.Upper.fd)
	for _, o := range [][2]string{{"lowerdir", procPath(s.Lower[0].fd)}, {"upperdir", upper}, {"workdir", upper}, {"index", "on"}} {
		if err := unix.FsconfigSetString(fs, o[0], o[1]); err != nil {
			return contextFailed(fs, o[0]+" of "+s.Upper.name, err)
		}
	}
	if err := unix.FsconfigCreate(fs); errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount with %q: %w", s.Upper.name, ErrUpperInUse)
	}
	return nil
}
