package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/engine/lockdown"
)

// ErrNoSeccomp is a machine on which no child can be locked.
var ErrNoSeccomp = fmt.Errorf("%w: this kernel does not filter system calls (seccomp), so it could not be locked: set isolation: thread for the driver if you accept that it runs in this one", engine.ErrNoProcess)

// ErrCache is a directory in which compiled code cannot be kept.
var ErrCache = fmt.Errorf("%w: compilation cache", engine.ErrNoProcess)

// Config is what all modules of a Runtime share.
type Config struct {
	// CacheDir is where compiled code is kept, in a directory of its own
	// beneath; "" keeps it until Close.
	CacheDir string
}

// Runtime starts children.
type Runtime struct {
	dir   string // of compiled code
	own   bool   // dir goes with us
	null  *os.File
	reach []reachable // what a child must reach to begin at all
	user  user
	once  sync.Once
}

// New looks at the machine and prepares the directory of compiled code.
func New(_ context.Context, cfg Config) (_ *Runtime, err error) {
	if !lockdown.Seccomp() {
		return nil, ErrNoSeccomp
	}
	r := &Runtime{user: unprivileged()}
	defer func() {
		if err != nil {
			r.free()
		}
	}()
	if r.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if r.reach, err = program(); err != nil {
		return nil, err
	}
	if err := r.user.mayRun(); err != nil {
		return nil, err
	}
	if cfg.CacheDir == "" {
		r.own = true
		r.dir, err = os.MkdirTemp("", "bulkhead-code-")
	} else {
		r.dir = filepath.Join(cfg.CacheDir, "process")
		err = errors.Join(makeDir(cfg.CacheDir, 0o700), makeDir(r.dir, 0o700))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCache, err)
	}
	return r, nil
}

// Close forgets what is not kept. Modules are closed before.
func (r *Runtime) Close(context.Context) error {
	var err error
	r.once.Do(func() { err = r.free() })
	return err
}

func (r *Runtime) free() error {
	var errs []error
	if r.null != nil {
		errs = append(errs, r.null.Close())
	}
	for _, f := range r.reach {
		errs = append(errs, unix.Close(f.fd))
	}
	if r.own {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	return errors.Join(errs...)
}

// Missing are the locks that this machine does not have, in words; the others
// hold without them.
func Missing() []string {
	var list []string
	if lockdown.Landlock() == 0 {
		list = append(list, "landlock (until its module is loaded, a child could open files that everyone may read)")
	}
	if u := unprivileged(); os.Geteuid() == 0 && u.id == nil {
		list = append(list, "a user of its own (user 65534 is not mapped here)")
	}
	return list
}
