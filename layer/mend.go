package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// ErrNoArchive: a layer cannot be mended without its archive.
var ErrNoArchive = errors.New("its archive is needed")

// Want is what a layer has to be.
type Want struct {
	Parent ChainID
	Diff   DiffID
}

// ChainID is the layer's.
func (w Want) ChainID() ChainID { return NextChainID(w.Parent, w.Diff) }

// Mend makes a layer right, or makes it again: its files, what the driver
// notes about it, its tree. What it lies on has to be right. What is stored is
// believed as far as it proves; from, if not nil, opens the layer's archive,
// which is held to its digest.
//
// Whatever replaces something is made and proven first, then exchanged with it
// in one step; what was replaced is kept (Keep). After a crash the layer is
// damaged as before, or less, or right. The store has to be opened Damaged.
// What was done is returned also with an error; ErrNoArchive says that from is
// needed, graphdriver.ErrBusy that a mount is in the way.
func (s *Store) Mend(ctx context.Context, want Want, from func(context.Context) (io.ReadCloser, error)) (did []string, err error) {
	if s.opts.ReadOnly || !s.opts.Damaged {
		return nil, ErrReadOnly
	}
	if _, err := s.driver(); err != nil {
		return nil, err
	}
	m, err := s.newMending(ctx, want)
	if err != nil {
		return nil, err
	}
	err = m.run(ctx, from)
	err = oneLine(err, m.home.Close(), m.db.Close(), s.reload(ctx))
	if rec := s.layers[m.chain]; rec != nil && err == nil {
		err = s.seal(ctx, []string{rec.cacheID})
	}
	return m.did, err
}

// mending is one Mend under way.
type mending struct {
	s        *Store
	want     Want
	chain    ChainID
	place    string
	parent   *record
	cur      string          // the cache ID that the layer has, if any
	shared   bool            // with somebody else
	others   map[string]bool // cache IDs that others have
	home, db *os.File
	undo     *Undo
	// exchanged: the undo has the layer's tree, whatever comes after that.
	exchanged bool
	did       []string
}

func (s *Store) newMending(ctx context.Context, want Want) (*mending, error) {
	m := &mending{s: s, want: want, chain: want.ChainID(), others: map[string]bool{}}
	if !ValidDigest(digest.Digest(m.chain)) {
		return nil, fmt.Errorf("%q is no layer", m.chain)
	}
	m.place = s.at.chain(m.chain)
	if want.Parent != "" {
		if m.parent = s.layers[want.Parent]; m.parent == nil {
			return nil, fmt.Errorf("layer %s lies on %s, which is not there or not mended: %w", m.chain, want.Parent, ErrNotFound)
		}
	}
	m.undo = s.NewUndo("what a repair of layer " + m.chain.String() + " replaced")
	layers, removing, err := s.at.scan(ctx)
	if err != nil {
		return nil, err
	}
	mounts, err := s.at.scanMounts()
	if err != nil {
		return nil, err
	}
	for _, f := range append(layers, removing...) {
		if f.name != filepath.Base(m.place) {
			m.others[f.cacheID] = true
		} else {
			m.cur = f.cacheID
		}
	}
	for _, f := range mounts {
		m.others[f.mountID], m.others[f.initID] = true, true
	}
	m.shared = m.others[m.cur]
	m.home, m.db, err = s.openForSync()
	return m, err
}

func (m *mending) parentID() string {
	if m.parent == nil {
		return ""
	}
	return m.parent.cacheID
}

func (m *mending) say(format string, args ...any) {
	m.did = append(m.did, fmt.Sprintf(format, args...))
}

// idle refuses a layer that is mounted, or on top of which something is.
func (m *mending) idle(ctx context.Context) error {
	above := map[ChainID]bool{m.chain: true}
	ids := []string{}
	if m.cur != "" && !m.shared {
		ids = append(ids, m.cur)
	}
	for _, rec := range m.s.sorted() {
		if rec.parent != nil && above[rec.parent.chain] {
			above[rec.chain] = true
			ids = append(ids, rec.cacheID)
		}
	}
	for _, mt := range m.s.mounts {
		if mt.parent != nil && above[mt.parent.chain] {
			ids = append(ids, mt.ids()...)
		}
	}
	if d, ok := m.s.opts.Driver.(graphdriver.Mounter); ok {
		mounts, err := d.Mounts(ctx)
		if err != nil {
			return err
		}
		for _, at := range mounts {
			if slices.Contains(ids, at.ID) {
				return fmt.Errorf("it is mounted, or beneath what is mounted, on %s; unmount that first: %w", at.Target, graphdriver.ErrBusy)
			}
		}
	}
	if d, ok := m.s.opts.Driver.(graphdriver.Mender); ok {
		return d.Idle(ctx, ids...)
	}
	return nil
}

func (m *mending) run(ctx context.Context, from func(context.Context) (io.ReadCloser, error)) error {
	if err := m.idle(ctx); err != nil {
		return err
	}
	var notes error
	if m.cur != "" && m.there(ctx, m.cur) && !m.shared {
		notes = m.driversPart(ctx, m.cur)
	}
	own := m.asStored()
	content, tree := m.proves(ctx, own)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if own != nil && content == nil && tree == nil {
		return oneLine(notes, m.files(ctx, own, ""))
	}
	if m.shared {
		m.cur = ""
	}
	if own != nil {
		adopted, err := m.adopt(ctx, own)
		if err != nil {
			return err
		}
		if adopted != nil {
			return m.files(ctx, adopted, "")
		}
		if content == nil && m.cur != "" {
			from = func(ctx context.Context) (io.ReadCloser, error) { return m.s.tarStream(ctx, own) }
		}
	}
	if from == nil {
		return m.needs(own, content, tree)
	}
	return m.replace(ctx, from, own)
}

// needs says why there is no way without an archive.
func (m *mending) needs(own *record, content, tree error) error {
	switch {
	case own == nil:
		return fmt.Errorf("what its archive was is not known any more: %w", ErrNoArchive)
	case content != nil:
		return fmt.Errorf("its content is not stored any more: %w", ErrNoArchive)
	}
	return oneLine(ErrNoArchive, tree)
}

// there tells whether the driver has a tree of that ID.
func (m *mending) there(ctx context.Context, id string) bool {
	if ok, err := m.s.opts.Driver.Exists(ctx, id); err != nil || !ok {
		return false
	}
	trees, ok := m.s.opts.Driver.(graphdriver.TreeDriver)
	if !ok {
		return true
	}
	tree, err := trees.StoredTree(ctx, id)
	if err != nil {
		return errors.Is(err, graphdriver.ErrNotSupported)
	}
	return tree.Close() == nil
}

// driversPart has the driver put right what it notes about a layer, if that is
// not in order or not about what the layer lies on by now.
func (m *mending) driversPart(ctx context.Context, id string) error {
	d, ok := m.s.opts.Driver.(graphdriver.Mender)
	if !ok {
		return nil
	}
	before := m.probe(ctx, id)
	if err := d.MendLayer(ctx, id, m.parentID()); err != nil {
		return fmt.Errorf("what the driver notes about it: %w", err)
	}
	if before != nil {
		m.say("the driver's notes about it were made right")
	}
	return m.probe(ctx, id)
}

func (m *mending) probe(ctx context.Context, id string) error {
	if p, ok := m.s.opts.Driver.(graphdriver.Prober); ok {
		return p.ProbeLayer(ctx, id)
	}
	return nil
}

// asStored is the layer as what is left of it has it, nil where its record
// cannot be read.
func (m *mending) asStored() *record {
	if fi, err := os.Lstat(m.place); err != nil || !fi.IsDir() {
		return nil
	}
	rec := newRecord(m.parent, m.want.Diff, m.cur, 0)
	rec.dir = m.place
	size, err := m.s.archived(rec)
	if err != nil {
		return nil
	}
	rec.size = size
	return rec
}

// proves tells whether the content of a layer is right, and its tree.
func (m *mending) proves(ctx context.Context, rec *record) (content, tree error) {
	if rec == nil || rec.cacheID == "" {
		return ErrNoArchive, ErrNoArchive
	}
	if content = m.s.verify(ctx, rec); content != nil {
		return content, nil
	}
	return nil, m.s.Verifier().verifyTree(ctx, rec)
}

// adopt finds a tree that nobody has and that is the layer's.
func (m *mending) adopt(ctx context.Context, rec *record) (*record, error) {
	orphans, err := m.s.orphans(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range orphans {
		if m.others[id] || !m.there(ctx, id) {
			continue
		}
		found := newRecord(m.parent, m.want.Diff, id, rec.size)
		found.dir = rec.dir
		content, tree := m.proves(ctx, found)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if content != nil || tree != nil {
			continue
		}
		m.say("the tree %s, which nobody had, is the layer's", id)
		return found, m.driversPart(ctx, id)
	}
	return nil, nil
}

// reload looks at the disk again.
func (s *Store) reload(ctx context.Context) error {
	layers, _, err := s.at.scan(ctx)
	if err != nil {
		return err
	}
	mounts, err := s.at.scanMounts()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.know(layers, mounts)
	s.mu.Unlock()
	s.tellParents()
	return nil
}

// Missing says of the layers whose directories are damaged what they have to
// be, as far as the directories tell: a chain ID is a digest over what is
// beneath and the layer's own.
func (s *Store) Missing(ctx context.Context) (out []Want) {
	layers, _, err := s.at.scan(ctx)
	if err != nil {
		return nil
	}
	for _, f := range layers {
		if s.layers[f.chain] != nil || !ValidDigest(digest.Digest(f.chain)) {
			continue
		}
		for _, parent := range append([]ChainID{f.parent, ""}, slices.Sorted(maps.Keys(s.layers))...) {
			if w := (Want{Parent: parent, Diff: f.diff}); ValidDigest(digest.Digest(w.Diff)) && w.ChainID() == f.chain {
				out = append(out, w)
				break
			}
		}
	}
	slices.SortFunc(out, func(a, b Want) int { return strings.Compare(string(a.ChainID()), string(b.ChainID())) })
	return out
}
