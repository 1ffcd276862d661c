package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// replace makes the layer from its archive, and then what is missing of it the
// layer's. own is the layer as stored, nil where its record is lost.
func (m *mending) replace(ctx context.Context, from func(context.Context) (io.ReadCloser, error), own *record) (err error) {
	rc, err := from(ctx)
	if err != nil {
		return err
	}
	made, err := m.s.build(ctx, rc, "", newBuilding(nil, onto{rec: m.parent}), RegisterOptions{Expected: m.want.Diff})
	if err = oneLine(err, rc.Close()); made == nil {
		return err
	}
	journaled := true
	defer func() {
		if journaled {
			err = oneLine(err, m.s.drop(ctx, made))
		}
	}()
	if err != nil {
		return err
	}
	if content, tree := m.proves(ctx, made); content != nil || tree != nil {
		return fmt.Errorf("what was made of the archive is not what it says: %w", oneLine(content, tree))
	}
	found, err := m.whole(ctx, made, own)
	if err != nil {
		return err
	}
	if found != nil {
		return m.files(ctx, found, made.dir)
	}
	if _, err := m.s.syncData(ctx, m.home, m.db, []string{made.cacheID}); err != nil {
		return err
	}
	split, err := m.newSplit(ctx, made, own)
	if err != nil {
		return err
	}
	tx := made.dir
	err = m.exchange(ctx, made)
	switch {
	case m.exchanged:
		journaled = false
		made.cacheID = m.cur
		m.say("its tree was made from its archive, proven, and exchanged")
		return oneLine(err, m.files(ctx, made, split), m.s.disk.removeAll(tx))
	case !errors.Is(err, errCannotExchange) || m.cur != "" && m.hasAbove() && graphdriver.CapabilitiesOf(m.s.opts.Driver).Deltas:
		return err
	}
	return m.rename(ctx, made, tx, &journaled)
}

// whole finds a tree that is the layer's where only its record was lost.
func (m *mending) whole(ctx context.Context, made, own *record) (*record, error) {
	if own != nil {
		return nil, nil // Mend has looked
	}
	if m.cur != "" && m.there(ctx, m.cur) {
		found := newRecord(m.parent, m.want.Diff, m.cur, made.size)
		found.dir = made.dir
		content, tree := m.proves(ctx, found)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if content == nil && tree == nil {
			return found, nil
		}
	}
	return m.adopt(ctx, made)
}

// newSplit is the directory from which the record has to be taken, "" where
// the one that is there tells of the new tree too.
func (m *mending) newSplit(ctx context.Context, made, own *record) (string, error) {
	if own == nil {
		return made.dir, nil
	}
	kept := newRecord(m.parent, m.want.Diff, made.cacheID, own.size)
	kept.dir = own.dir
	content, tree := m.proves(ctx, kept)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if content == nil && tree == nil {
		return "", nil
	}
	return made.dir, nil
}

var errCannotExchange = errors.New("the driver cannot exchange trees")

// exchange gives the layer's own ID the tree that was made, and the damaged
// tree the other ID, under which it is kept.
func (m *mending) exchange(ctx context.Context, made *record) error {
	d, ok := m.s.opts.Driver.(graphdriver.Mender)
	if m.cur == "" || !ok {
		return errCannotExchange
	}
	lost := !m.there(ctx, m.cur)
	if lost {
		if err := d.MendLayer(ctx, m.cur, m.parentID()); err != nil {
			return fmt.Errorf("%w: %w", errCannotExchange, err)
		}
		if !m.there(ctx, m.cur) {
			return fmt.Errorf("%w: driver %s did not make layer %s again", errCannotExchange, m.s.opts.DriverName, m.cur)
		}
	}
	m.undo.id = made.cacheID
	if err := m.undo.begin(); err != nil {
		return err
	}
	// From here the undo keeps the other tree, whichever that is.
	if err := m.s.settled([]string{made.cacheID}); err != nil {
		return err
	}
	own, err := m.s.namesRoot(ctx, made)
	if err == nil {
		err = d.ExchangeTrees(ctx, m.cur, made.cacheID, !own && !lost)
		m.exchanged = err == nil
	}
	if m.exchanged {
		if lost {
			err = m.children(ctx, d)
		}
		return oneLine(err, m.probe(ctx, m.cur))
	}
	if errors.Is(err, graphdriver.ErrNotSupported) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("%w: %w", errCannotExchange, err)
	}
	again := m.s.intend(made.cacheID)
	if again == nil {
		again = m.s.disk.removeAll(m.undo.dir())
		m.undo.made = false
	}
	return oneLine(err, again)
}

// hasAbove tells whether other layers lie on this one.
func (m *mending) hasAbove() bool {
	for _, rec := range m.s.layers {
		if rec.parent != nil && rec.parent.chain == m.chain {
			return true
		}
	}
	for _, mt := range m.s.mounts {
		if mt.parent != nil && mt.parent.chain == m.chain {
			return true
		}
	}
	return false
}

// rename lets the layer have the ID of the tree that was made. The other tree
// is kept under its own.
func (m *mending) rename(ctx context.Context, made *record, tx string, journaled *bool) error {
	m.undo = m.s.NewUndo(m.undo.what)
	if m.cur != "" && !m.shared {
		// Also where the driver has no such layer: there may be notes of one.
		m.undo.id = m.cur
		if err := m.undo.begin(); err != nil {
			return err
		}
	}
	m.say("it was made from its archive, proven, and has the cache ID %s", made.cacheID)
	if err := m.files(ctx, made, tx); err != nil {
		return err
	}
	*journaled = false
	return oneLine(m.s.settled([]string{made.cacheID}), m.s.disk.removeAll(m.s.at.tx(made.cacheID)))
}

// files makes the layer's directory say what rec is. Its record is taken from
// the directory tx, unless that is "". What makes it a layer comes last.
func (m *mending) files(ctx context.Context, rec *record, tx string) error {
	if fi, err := os.Lstat(m.place); err != nil || !fi.IsDir() {
		if tx == "" {
			return fmt.Errorf("%s: %w", m.place, ErrNoArchive)
		}
		if err := m.undo.Take(m.place); err != nil {
			return err
		}
		return m.publish(rec, tx)
	}
	if tx != "" {
		if err := m.record(tx); err != nil {
			return err
		}
	}
	rec.dir = m.place
	size, err := m.size(ctx, rec)
	if err != nil {
		return err
	}
	parent := ""
	if m.parent != nil {
		parent = string(m.parent.chain)
	}
	for _, f := range []struct{ name, text string }{
		{fileSize, size}, {fileCacheID, rec.cacheID}, {fileParent, parent}, {fileDiff, string(m.want.Diff)},
	} {
		if err := m.text(f.name, f.text); err != nil {
			return err
		}
	}
	return m.stamp(ctx, rec.cacheID)
}

// record takes the record of the archive from tx. A driver that yields the
// archive itself has none.
func (m *mending) record(tx string) error {
	part, place := filepath.Join(tx, fileTarSplit), filepath.Join(m.place, fileTarSplit)
	if _, err := os.Lstat(part); errors.Is(err, fs.ErrNotExist) {
		return m.undo.Take(place)
	}
	m.say("the record of its archive was made again")
	return m.undo.put(part, place)
}

// size is what the file of it has to say: what it says, if that may be.
func (m *mending) size(ctx context.Context, rec *record) (string, error) {
	sizes, err := m.s.sizesOf(ctx, rec)
	if err != nil {
		return "", err
	}
	text, err := readText(m.place, fileSize)
	for _, n := range sizes {
		if err == nil && text == strconv.FormatInt(n, 10) {
			return text, nil
		}
	}
	return strconv.FormatInt(sizes[0], 10), nil
}

// text makes a small file say something, or makes it go.
func (m *mending) text(name, text string) error {
	was, err := readText(m.place, name)
	switch {
	case err == nil && was == text && text != "", text == "" && errors.Is(err, fs.ErrNotExist):
		return nil
	case text == "":
		m.say("the file %s was put aside", name)
		return m.undo.Take(filepath.Join(m.place, name))
	}
	m.say("the file %s was made right", name)
	return m.undo.Write(filepath.Join(m.place, name), []byte(text), 0o644)
}

// publish moves a transaction into the layer's place.
func (m *mending) publish(rec *record, tx string) error {
	if err := m.s.guard(m.place); err != nil {
		return err
	}
	if was, err := readText(tx, fileCacheID); err != nil || was != rec.cacheID {
		path := filepath.Join(tx, fileCacheID)
		if err := oneLine(m.s.disk.removeAll(path), m.s.disk.write(path, []byte(rec.cacheID), 0o644)); err != nil {
			return err
		}
	}
	if err := m.s.syncFiles(tx); err != nil {
		return err
	}
	if err := m.s.disk.rename(tx, m.place); err != nil {
		return err
	}
	m.say("its directory was made again")
	return m.s.disk.sync(m.s.at.chains())
}

// stamp remembers a tree that has just been proven.
func (m *mending) stamp(ctx context.Context, id string) error {
	st, err := m.s.stampOf(ctx, id)
	if err != nil {
		return err
	}
	m.s.keepStamp(id, st)
	return nil
}

// children has the driver note again, of the layers right on top, what it
// notes with a layer that has been lost.
func (m *mending) children(ctx context.Context, d graphdriver.Mender) error {
	for _, rec := range m.s.sorted() {
		if rec.parent == nil || rec.parent.chain != m.chain || !m.there(ctx, rec.cacheID) {
			continue
		}
		if err := d.MendLayer(ctx, rec.cacheID, m.cur); err != nil {
			return err
		}
	}
	return nil
}

// namesRoot reports whether a layer's archive has an entry for its root.
func (s *Store) namesRoot(ctx context.Context, rec *record) (bool, error) {
	r, err := s.headers(ctx, rec)
	if err != nil {
		return false, err
	}
	for entries := layertar.NewReader(r, nil); ; {
		e, err := entries.Next()
		if err == io.EOF {
			return false, r.Close()
		}
		if err != nil {
			return false, oneLine(err, r.Close())
		}
		if e.Path == "." && e.Kind == layertar.Dir {
			return true, r.Close()
		}
	}
}
