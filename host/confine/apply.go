package confine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// Applied says what an Applier did.
type Applied struct {
	// Size is the payload of all files in bytes: how moby sizes a layer that
	// is unpacked into a copy of its parent.
	Size int64
	// Stored is the size in bytes of all that was made and is no directory,
	// each inode once: how moby sizes a layer that lies by itself.
	Stored int64
	// Entries counts entries carried out.
	Entries int64
	// Recorded counts names of which something could not be made and was
	// recorded beside them.
	Recorded int64
	// LeftOwners, LeftNodes and LeftXattrs count what could be neither made
	// nor recorded; it stays in the archive's record only.
	LeftOwners, LeftNodes, LeftXattrs int64
}

// Add adds what another Applier did.
func (a *Applied) Add(o Applied) {
	a.Size += o.Size
	a.Stored += o.Stored
	a.Entries += o.Entries
	a.Recorded += o.Recorded
	a.LeftOwners += o.LeftOwners
	a.LeftNodes += o.LeftNodes
	a.LeftXattrs += o.LeftXattrs
}

// ApplyOptions shape an Applier.
type ApplyOptions struct {
	// Unprivileged records owners, modes, devices and attributes where the
	// kernel refuses them, for a Dir that believes them to show, and keeps
	// every file and directory accessible to its owner.
	Unprivileged bool
	// Over, if set, is the stack that the base is the top of: entries are then
	// made in overlay's form.
	Over *Stack
	// Beneath, if set, is called before anything beneath the base is looked
	// at, until it has returned nil. It may wait, for no longer than Apply's
	// context.
	Beneath func() error
	// Writers is how many files are written at a time; 0 means 2.
	Writers int
}

// Applier makes the entries of one archive beneath one directory. Its
// methods are for one goroutine; files are written by others behind it, and
// order is kept wherever it can be seen.
//
// An entry that would remove or replace what the same archive brought with a
// payload is refused: the archive could not be exported again.
type Applier struct {
	base *Dir
	opt  ApplyOptions
	seed maphash.Seed

	open  map[string]*parent
	clock uint64
	times map[uint64]touched // by inode of the directory
	named int                // bytes of the paths in times
	// made holds what this archive brought, by directory inode and name.
	made map[uint64]madeKind
	// recheck lists payloads that were reached through a symlink.
	recheck []aliasedFile
	aliased int  // bytes that recheck takes
	crossed bool // a parent was reached through a symlink

	jobs    chan *job
	workers sync.WaitGroup
	flying  sync.WaitGroup
	mu      sync.Mutex // guards what follows, done's counters and parent.refs
	err     error
	done    Applied
	// later are files whose name a directory has taken: only the goroutine
	// that knows what the archive brought may clear it.
	later []*job

	upper      *upper  // nil for a tree of its own
	keeper     *keeper // nil where nothing is recorded
	euid, egid uint32
	mask       uint32 // of modes at creation
}

type madeKind uint8

const (
	madeOther   madeKind = 1
	madePayload madeKind = 2
	madeNothing madeKind = 3 // could be neither made nor recorded
)

type aliasedFile struct {
	path string
	dev  uint64
	ino  uint64
}

// NewApplier starts an Applier; Finish or Abort ends it.
func NewApplier(base *Dir, opt ApplyOptions) *Applier {
	if opt.Writers <= 0 {
		opt.Writers = 2
	}
	a := &Applier{
		base: base, opt: opt, seed: maphash.MakeSeed(),
		open: map[string]*parent{}, times: map[uint64]touched{}, made: map[uint64]madeKind{},
		jobs:  make(chan *job, 4*opt.Writers),
		upper: newUpper(opt.Over, opt.Beneath), keeper: newKeeper(base, opt.Unprivileged), euid: uint32(os.Geteuid()), egid: uint32(os.Getegid()),
		mask: maskOf("/proc/self/status"),
	}
	for range opt.Writers {
		a.workers.Add(1)
		go a.work()
	}
	return a
}

// Payload is the content of a file: held whole, or still to be read.
type Payload struct {
	Held []byte
	// Done, if set, is called once Held is not needed any more.
	Done func()
	// Rest is read instead of Held, before Apply returns.
	Rest io.Reader
}

// Apply carries one entry out at p, a clean path, or p's own if "".
func (a *Applier) Apply(ctx context.Context, e *layertar.Entry, p string, body Payload) error {
	if p == "" {
		p = e.Path
	}
	if p != e.Path {
		moved := *e
		moved.Path = p
		e = &moved
	}
	handed, err := a.apply(ctx, e, p, body)
	if !handed && body.Done != nil {
		body.Done()
	}
	if err != nil {
		return a.fail(fmt.Errorf("entry %s: %w", layertar.Shown(e.Name), err))
	}
	return a.failed()
}

func (a *Applier) apply(ctx context.Context, e *layertar.Entry, p string, body Payload) (handed bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err := a.settleLate(ctx); err != nil {
		return false, err
	}
	if err := a.spare(ctx); err != nil {
		return false, err
	}
	a.done.Entries++
	mtime := Time{e.ModTime.Unix(), uint32(e.ModTime.Nanosecond())}
	switch e.Kind {
	case layertar.Ignored:
		return false, nil
	case layertar.Whiteout:
		if a.upper != nil {
			return false, a.hide(ctx, e, p, mtime)
		}
		return false, a.whiteout(ctx, p)
	case layertar.Opaque:
		if a.upper != nil {
			return false, a.cutOff(ctx, p, mtime)
		}
		return false, a.opaque(ctx, p, mtime)
	}
	if p == "." {
		return false, a.applyRoot(e, mtime)
	}
	if a.keeper != nil && a.keeper.rec.hides(p) {
		return false, refused(p, "the name is the host's own")
	}
	h, name, err := a.parentOf(p, mtime)
	if err != nil {
		return false, err
	}
	defer a.release(h)
	key := a.key(h.ino, name)
	if err := a.mayMake(e, key); err != nil {
		return false, err
	}
	if a.made[key] != 0 {
		// What the archive brought under this name before may be in the hands of
		// a writer: it comes first.
		if err := a.Wait(ctx); err != nil {
			return false, err
		}
	}
	if a.upper != nil && e.Kind != layertar.Dir {
		delete(a.upper.whiteouts, key)
	}
	switch e.Kind {
	case layertar.File:
		a.made[key] = madePayload
		if e.Size == 0 {
			a.made[key] = madeOther
		}
		a.done.Size += e.Size
		a.done.Stored += e.Size
		return a.file(ctx, h, name, e, p, mtime, body)
	case layertar.Dir:
		a.made[key] = madeOther
		err := a.replaceable(ctx, h, name, func() error { return a.makeDir(h, name, e, mtime) })
		if err == nil && a.upper != nil {
			err = a.overMark(h, name, p)
		}
		return false, err
	case layertar.Hardlink:
		return false, a.hardlink(ctx, h, name, key, e, mtime)
	default:
		return false, a.node(ctx, h, name, key, e, mtime)
	}
}

func (a *Applier) key(dirIno uint64, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(a.seed)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], dirIno)
	h.Write(b[:])
	h.WriteString(name)
	return h.Sum64()
}

// mayMake refuses to replace a payload of this very archive.
func (a *Applier) mayMake(e *layertar.Entry, key uint64) error {
	if a.made[key] == madePayload {
		return refused(e.Path, "it replaces a file of the same layer, which could not be exported again")
	}
	return nil
}

// mayRemove is the veto of removals: a payload of this archive stays.
func (a *Applier) mayRemove(dirIno uint64, name string) error {
	if a.made[a.key(dirIno, name)] == madePayload {
		return refused(name, "it removes a file of the same layer, which could not be exported again")
	}
	return nil
}

// replaceable runs make and, where the name is taken, clears it first.
func (a *Applier) replaceable(ctx context.Context, h *parent, name string, make func() error) error {
	err := make()
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	a.flying.Wait()
	if err := a.failed(); err != nil {
		return err
	}
	// The name itself was judged by mayMake and belongs to the new entry now.
	key := a.key(h.ino, name)
	own := a.made[key]
	delete(a.made, key)
	err = removeAt(ctx, a.base.meter, h.fd, name, a.mayRemove)
	a.made[key] = own
	if err != nil {
		return err
	}
	a.forgetAll()
	return make()
}

func (a *Applier) whiteout(ctx context.Context, p string) error {
	if err := a.Wait(ctx); err != nil {
		return err
	}
	fd, name, err := a.base.parent(p, InRoot)
	if nowhere(err) {
		return nil // nothing to delete
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if st, err := statFd(fd); err == nil {
		if _, known := a.times[st.Ino]; !known {
			a.touch(fd, st.Ino, dirOf(p), st.Mtim)
		}
	}
	err = removeAt(ctx, a.base.meter, fd, name, a.mayRemove)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	a.forgetAll()
	return err
}

func (a *Applier) fail(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
	return a.err
}

func (a *Applier) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// Wait returns when everything handed over so far is in the tree.
func (a *Applier) Wait(ctx context.Context) error {
	a.flying.Wait()
	return a.settleLate(ctx)
}

// settleLate writes the files that wait for a directory to be cleared.
func (a *Applier) settleLate(ctx context.Context) error {
	a.mu.Lock()
	late, err := a.later, a.err
	a.mu.Unlock()
	if len(late) == 0 || err != nil {
		return err
	}
	a.flying.Wait()
	a.mu.Lock()
	late, a.later = a.later, nil
	a.mu.Unlock()
	for _, j := range late {
		err := a.replaceable(ctx, j.h, j.name, func() error { return a.write(j) })
		if err != nil {
			a.fail(&entryError{name: j.e.Name, err: err})
		}
		a.settle(j)
	}
	return a.failed()
}

// Abort stops without finishing. The tree is then incomplete.
func (a *Applier) Abort() {
	a.flying.Wait()
	a.mu.Lock()
	late := a.later
	a.later = nil
	a.mu.Unlock()
	for _, j := range late {
		a.settle(j)
	}
	close(a.jobs)
	a.workers.Wait()
	a.forgetAll()
}

// Finish waits for all files, gives directories their times, and proves that
// what was written through symlinks is found again by its name.
func (a *Applier) Finish(ctx context.Context) (Applied, error) {
	err := a.Wait(ctx)
	a.Abort()
	if err != nil {
		return a.done, err
	}
	for _, f := range a.recheck {
		st, err := a.base.Lstat(f.path, InRoot)
		if err != nil || st.Ino != f.ino || st.Dev != f.dev {
			return a.done, refused(f.path, "a later entry moves it out of reach, so that it could not be exported again")
		}
	}
	return a.done, a.setDirTimes()
}

// Forget drops what is known of names, after Wait: somebody may have moved
// directories.
func (a *Applier) Forget() { a.forgetAll() }

func refused(p, why string) error {
	return fmt.Errorf("%s: %s: %w", layertar.Shown(p), why, layertar.ErrRefused)
}
