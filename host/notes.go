package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// notes are the host's own records of a driver's layers, one small file each.
// They are hints: a layer without one is looked at again.
type notes struct {
	dir      string
	readOnly bool

	mu        sync.Mutex
	bases     *places // nil before it is asked
	readWrite bool    // some layer is to be written to; known once bases are

	// read holds the notes of layers that were read or written. Another process
	// may add notes meanwhile, but takes none away that we may read: the root is
	// locked.
	cached sync.Map
}

// layerNote is what the host knows of one layer.
type layerNote struct {
	// Base is where its entries went, relative to the home; "" if unknown.
	Base string `json:"base,omitempty"`
	// Work is the work directory that it was last mounted to be written with.
	Work string `json:"work,omitempty"`
	// Parent is what it was created from, and Created when that had ended.
	Parent  string `json:"parent,omitempty"`
	Created *stamp `json:"created,omitempty"`
	// ReadWrite: it was created to be written to.
	ReadWrite bool `json:"readWrite,omitempty"`
}

// stamp is a time as files have them.
type stamp struct {
	Sec  int64  `json:"sec"`
	Nsec uint32 `json:"nsec"`
}

func (n *notes) path(name string) string { return filepath.Join(n.dir, name+".json") }

// claim remembers that a layer's files lie at base. Two layers in one place,
// or one within the other, would be each other's forgery.
func (n *notes) claim(id, base string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.free(id, base); err != nil {
		return err
	}
	n.bases.add(base, id)
	return nil
}

// mayLie is claim without remembering.
func (n *notes) mayLie(id, base string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.free(id, base)
}

func (n *notes) free(id, base string) error {
	if err := n.load(); err != nil {
		return err
	}
	return n.bases.free(id, base)
}

// load reads where layers lie from their notes.
func (n *notes) load() error {
	if n.bases != nil {
		return nil
	}
	names, err := os.ReadDir(n.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	bases := newPlaces()
	for _, e := range names {
		name, isNote := strings.CutSuffix(e.Name(), ".json")
		id, isLayer := strings.CutPrefix(name, "layer-")
		if !isNote || !isLayer {
			continue
		}
		note, err := n.layer(id)
		if err != nil {
			return err
		}
		n.readWrite = n.readWrite || note.ReadWrite
		for _, p := range []string{note.Base, note.Work} {
			if p != "" {
				bases.add(p, id)
			}
		}
	}
	n.bases = bases
	return nil
}

// anyReadWrite reports whether some layer was created to be written to.
func (n *notes) anyReadWrite() (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.load()
	return n.readWrite, err
}

// setBase records where a layer's entries went.
func (n *notes) setBase(id, base string) error {
	note, err := n.layer(id)
	if err == nil {
		err = n.claim(id, base)
	}
	if err != nil {
		return err
	}
	note.Base = base
	return n.setLayer(id, note)
}

// setWork records a layer's work directory, which is nobody else's.
func (n *notes) setWork(id, work string) error {
	note, err := n.layer(id)
	if err != nil || note.Work == work {
		return err
	}
	if err := n.claim(id, work); err != nil {
		return err
	}
	note.Work = work
	return n.cache(id, note, n.keep("layer-"+id, note)) // a container's layer needs the rest of it
}

// layer reads the note of a layer; without one it is empty.
func (n *notes) layer(id string) (layerNote, error) {
	if note, ok := n.cached.Load(id); ok {
		return note.(layerNote), nil
	}
	var out layerNote
	found, err := n.read("layer-"+id, &out)
	if found && err == nil {
		n.cached.Store(id, out)
	}
	return out, err
}

func (n *notes) setLayer(id string, note layerNote) error {
	return n.cache(id, note, n.write("layer-"+id, note))
}

// cache remembers a note that was written, and forgets one that may have been.
func (n *notes) cache(id string, note layerNote, err error) error {
	if err != nil {
		n.cached.Delete(id)
		return err
	}
	n.cached.Store(id, note)
	return nil
}

func (n *notes) dropLayer(id string) error {
	note, err := n.layer(id)
	n.mu.Lock()
	if n.bases != nil && err == nil {
		n.bases.removeAll(id, note.Base, note.Work)
	}
	n.mu.Unlock()
	n.cached.Delete(id)
	return n.drop("layer-" + id)
}

// drop removes a note.
func (n *notes) drop(name string) error {
	err := os.Remove(n.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (n *notes) read(name string, into any) (found bool, err error) {
	b, err := os.ReadFile(n.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return false, nil // it was not synced when the power went
	}
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("%s: %w: %w; remove the file to have it made again", n.path(name), err, graphdriver.ErrCorrupt)
	}
	return true, nil
}

// notePart begins the names of notes that are not complete.
const notePart = ".note-"

// sweep removes what a crash left of notes that were being written. Nobody
// else writes to the root.
func (n *notes) sweep() error {
	entries, err := os.ReadDir(n.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), notePart) && e.Type().IsRegular() {
			if err := os.Remove(filepath.Join(n.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// write replaces a note in one step. It is not synced: a note that is lost is
// a hint that is lost.
func (n *notes) write(name string, v any) error { return n.replace(name, v, false) }

// keep is write for what is no hint, and has to be there after a power cut.
func (n *notes) keep(name string, v any) error { return n.replace(name, v, true) }

func (n *notes) replace(name string, v any, sync bool) error {
	if n.readOnly {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(n.dir, notePart)
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	if err == nil && sync {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), n.path(name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if !sync {
		return nil
	}
	dir, err := os.Open(n.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
