//go:build fault

package fault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disk is a real file system in a file, mounted on a directory of its own.
type disk struct {
	t       testing.TB
	image   string
	dir     string
	kind    string // ext4, xfs
	options string
	mounted bool
	aborted int // how often the journal was ended
}

// settings are the ways in which file systems are mounted. ext4 is kept from
// writing out of its own accord what nobody synced: with ordered data, where
// what has not been allocated is lost though its name is there, and with data
// in no order at all, where a file has its size and not its content.
// xfs syncs no directory but the one it is told to.
var settings = map[string][]string{
	"ext4": {"commit=900,noauto_da_alloc,errors=remount-ro", "commit=900,noauto_da_alloc,nodelalloc,data=writeback,errors=remount-ro"},
	"xfs":  {"nouuid"}, // copies of one are mounted at a time
}

// smallest is how small a file system can be.
var smallest = map[string]int64{"ext4": 48 << 20, "xfs": 300 << 20}

// options are those that a disk is mounted with where point n is tried.
func (d *disk) optionsAt(n int) string { return settings[d.kind][n%len(settings[d.kind])] }

func newDisk(t testing.TB, kind, options string, size int64) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("mounting a file system takes root")
	}
	base := t.TempDir()
	d := &disk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "disk"), kind: kind, options: options}
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	format := map[string][]string{
		"ext4": {"mkfs.ext4", "-q", "-F", "-m", "0", "-I", "256", "-N", fmt.Sprint(size >> 14), "-J", "size=4", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"},
		"xfs":  {"mkfs.xfs", "-q", "-f", "-K"},
	}[kind]
	if out, err := exec.Command(format[0], append(format[1:], d.image)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", format, err, out)
	}
	if kind == "xfs" { // its log is written all over with nothing
		if out, err := exec.Command("fallocate", "--dig-holes", d.image).CombinedOutput(); err != nil {
			t.Fatalf("fallocate: %v: %s", err, out)
		}
	}
	t.Cleanup(d.unmount)
	d.mount()
	return d
}

// copyTo makes a new disk with the same content. Neither is mounted.
func (d *disk) copyTo(t testing.TB, base, options string) *disk {
	t.Helper()
	c := &disk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "disk"), kind: d.kind, options: options}
	if err := errors.Join(os.Mkdir(c.dir, 0o755), copySparse(c.image, d.image)); err != nil {
		t.Fatal(err)
	}
	return c
}

// copySparse copies what is not a hole.
func copySparse(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(fi.Size()); err != nil {
		return err
	}
	for at := int64(0); ; {
		begin, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if at, err = unix.Seek(int(in.Fd()), begin, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, begin), io.NewSectionReader(in, begin, at-begin)); err != nil {
			return err
		}
	}
}

// attaching is held while a loop device is looked for: two that look at once
// get the same one.
var attaching sync.Mutex

func (d *disk) mount() {
	d.t.Helper()
	loop, err := attach(d.image)
	if err != nil {
		d.t.Fatal(err)
	}
	defer loop.Close()
	if err := unix.Mount(loop.Name(), d.dir, d.kind, 0, d.options); err != nil {
		d.t.Fatalf("mount %s (%s): %v", d.kind, d.options, err)
	}
	d.mounted = true
}

// attach makes a file a loop device, which goes when nobody uses it any more.
func attach(image string) (*os.File, error) {
	attaching.Lock()
	defer attaching.Unlock()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("a free loop device: %w", err)
		}
		loop, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(f.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("loop device: %w", err)
		}
	}
	return nil, errors.New("no loop device is free")
}

func (d *disk) unmount() {
	if !d.mounted {
		return
	}
	d.mounted = false
	err := unix.Unmount(d.dir, 0)
	for try := 0; errors.Is(err, unix.EBUSY) && try < 100; try++ {
		time.Sleep(20 * time.Millisecond) // somebody looks at all mounts of the machine
		err = unix.Unmount(d.dir, 0)
	}
	if err != nil {
		d.t.Errorf("unmount: %v", err)
		unix.Unmount(d.dir, unix.MNT_DETACH)
	}
}

// cutPower has the file system forget all that was not synced: nothing more
// of it is written, the journal neither. Then it is mounted again.
func (d *disk) cutPower() {
	d.t.Helper()
	d.shutdown()
	d.unmount()
	d.mount()
}

// shutdown makes every call from now on fail, and nothing more be written.
func (d *disk) shutdown() {
	d.t.Helper()
	const shutdown, noLogFlush = 0x8004587d, uint32(2)
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Error(err)
		return
	}
	how := noLogFlush
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how)))
	f.Close()
	if errno != 0 {
		d.t.Errorf("shut the file system down: %v", errno)
	}
}

// remountReadOnly is what an administrator does, or where a file is open to be
// written to, which keeps him from it, what the kernel does when the disk
// fails: ext4 ends its journal and is read-only from then on.
func (d *disk) remountReadOnly() error {
	err := unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, d.options)
	if errors.Is(err, unix.EBUSY) {
		if err = unix.Mount("", d.dir, "", unix.MS_REMOUNT, d.options+",abort"); err == nil {
			d.aborted++
		}
	}
	return err
}
