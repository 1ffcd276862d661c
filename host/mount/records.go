package mount

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Records are the mounts that were made for keys, by any process, as files in
// a directory. Its methods may be called by many goroutines and processes at a
// time: one makes, unmounts or cleans at a time, and who waits for that ends
// with its context. Reading makes nothing, not even the directory.
type Records struct {
	dir, targets string
	way          way               // anyWay but in tests
	step         func(name string) // told of each step, for tests
}

// NewRecords keeps records in dir, and makes mount targets that nobody named
// in targets. Both should lie where a restart of the machine clears them
// (/run); they are made when needed, for this user alone.
func NewRecords(dir, targets string) *Records {
	return &Records{dir: dir, targets: targets, step: func(string) {}}
}

// Options say what a mount is for.
type Options struct {
	Key string
	// On is an existing, empty directory; "" makes one.
	On string
	// Temporary mounts end with this process, at the latest when another
	// calls Clean.
	Temporary bool
}

// Mounted is a mount that this process made.
type Mounted struct {
	Record
	records *Records
	held    *os.File
}

// Mount mounts spec and records it. A read-write mount of a key that has one
// already becomes another mount of the same file system, whatever spec says
// otherwise. Errors are those of the function Mount.
func (r *Records) Mount(ctx context.Context, spec Spec, opt Options) (*Mounted, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	root, unlock, err := r.lock(ctx, true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	here, err := whereHere()
	if err != nil {
		return nil, err
	}
	m := &making{r: r, root: root, spec: spec}
	m.Record = Record{Key: opt.Key, ReadWrite: !spec.readOnly(), Temporary: opt.Temporary, Maker: os.Getpid()}
	m.Begun, m.Where = true, here
	if dir := spec.bound(); dir != nil {
		m.ID.Dev = dir.dev
	} else {
		m.Expect = "overlay"
	}
	if err := m.make(ctx, opt.On); err != nil {
		m.undo()
		return nil, err
	}
	return &Mounted{Record: m.Record, records: r, held: m.held}, nil
}

// making is a mount that is being made.
type making struct {
	stored
	r    *Records
	root *os.Root
	spec Spec
	held *os.File // the record's file, of a temporary mount
}

func (m *making) make(ctx context.Context, on string) error {
	from, err := m.twin()
	if err != nil {
		return err
	}
	if on == "" {
		if m.Target, err = m.r.newTarget(); err != nil {
			return err
		}
		m.MadeTarget = true
		if err := m.save("begun"); err != nil {
			return err
		}
		if err := os.Mkdir(m.Target, 0o700); err != nil {
			return fmt.Errorf("mount target: %w", err)
		}
		m.r.step("target made")
		on = m.Target
	}
	t, err := openTarget(on)
	if err != nil {
		return err
	}
	defer t.close()
	if !m.MadeTarget {
		if err := m.free(t.path); err != nil {
			return err
		}
		m.Target = t.path
		if err := m.save("begun"); err != nil {
			return err
		}
	}
	known := func(id ID) error {
		if id != (ID{}) {
			m.ID = id
			if err := m.save("identified"); err != nil {
				return err
			}
		}
		m.r.step("before the mount")
		return nil
	}
	var id ID
	if from != nil {
		id, err = clone(ctx, from.Target, from.ID, t, known)
	} else {
		id, err = m.spec.mount(ctx, m.r.way, t, known)
	}
	if err != nil {
		return err
	}
	m.r.step("mounted")
	m.ID, m.Begun = id, false
	return m.save("recorded")
}

// twin is a live read-write mount of the same key.
func (m *making) twin() (*Record, error) {
	if !m.ReadWrite {
		return nil, nil
	}
	live, err := liveIn(m.root)
	if err != nil {
		return nil, err
	}
	for _, l := range live {
		if l.Key == m.Key && l.ReadWrite && !l.Elsewhere {
			return &l, nil
		}
	}
	return nil, nil
}

// free refuses a target whose mount was moved elsewhere, and its record with it.
func (m *making) free(target string) error {
	old := stored{Record: Record{Target: target}, Where: m.Where}
	s, err := readRecord(m.root, old.fileName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	here, err := lookAround()
	if err != nil {
		return err
	}
	if now, ok := s.find(here); ok {
		return fmt.Errorf("mount on %q: what was mounted there is at %q now; unmount that first: %w", target, now, ErrMounted)
	}
	return nil
}

func (m *making) save(step string) error {
	f, err := m.write(m.root, m.Temporary)
	if err != nil {
		return err
	}
	if m.held != nil {
		m.held.Close()
	}
	m.held = f
	m.r.step(step)
	return nil
}

// undo takes back what was made, whatever of it there is.
func (m *making) undo() {
	if m.held != nil {
		m.held.Close()
	}
	if m.Target == "" {
		return
	}
	if here, err := lookAround(); err == nil {
		if at, ok := m.find(here); ok {
			unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
	}
	m.forget(m.r, m.root)
}

// newTarget names a directory that is not there yet.
func (r *Records) newTarget() (string, error) {
	if err := ownDir(r.targets, true); err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(r.targets)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, rand.Text()), nil
}

// lock opens the directory and takes its lock; root is nil where there is no
// directory and it is not to be made.
func (r *Records) lock(ctx context.Context, change bool) (root *os.Root, unlock func(), err error) {
	if err := ownDir(r.dir, change); errors.Is(err, fs.ErrNotExist) && !change {
		return nil, func() {}, nil
	} else if err != nil {
		return nil, nil, err
	}
	if root, err = os.OpenRoot(r.dir); err != nil {
		return nil, nil, err
	}
	f, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	unlock = func() { f.Close(); root.Close() }
	how := unix.LOCK_SH
	if change {
		how = unix.LOCK_EX
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return root, unlock, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			unlock()
			return nil, nil, fmt.Errorf("lock %s: %w", r.dir, err)
		}
		select {
		case <-ctx.Done():
			unlock()
			return nil, nil, fmt.Errorf("%w: another process is mounting or unmounting (it has the lock on %s): %w", graphdriver.ErrBusy, r.dir, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// ownDir checks, and with make makes, a directory that only this user may write.
func ownDir(path string, create bool) error {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s must be a directory that belongs to this user (%d) and that no other may write", path, os.Geteuid())
	}
	return nil
}
