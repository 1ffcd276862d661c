package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// notes are the host's own records of a driver's layers, one small file each.
// They are hints: a layer without one is looked at again.
type notes struct {
	dir      string
	readOnly bool
}

// layerNote is what the host knows of one layer.
type layerNote struct {
	// Base is where its entries went, relative to the home; "" if unknown.
	Base string `json:"base,omitempty"`
	// Parent is what it was created from, and Created when that had ended.
	Parent  string `json:"parent,omitempty"`
	Created *stamp `json:"created,omitempty"`
}

// stamp is a time as files have them.
type stamp struct {
	Sec  int64  `json:"sec"`
	Nsec uint32 `json:"nsec"`
}

func (n *notes) path(name string) string { return filepath.Join(n.dir, name+".json") }

// layer reads the note of a layer; without one it is empty.
func (n *notes) layer(id string) (layerNote, error) {
	var out layerNote
	_, err := n.read("layer-"+id, &out)
	return out, err
}

func (n *notes) setLayer(id string, note layerNote) error { return n.write("layer-"+id, note) }

func (n *notes) dropLayer(id string) error {
	err := os.Remove(n.path("layer-" + id))
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
	if err := json.Unmarshal(b, into); err != nil {
		return false, fmt.Errorf("%s: %w: %w; remove the file to have it made again", n.path(name), err, graphdriver.ErrCorrupt)
	}
	return true, nil
}

// write replaces a note in one step. It is not synced: a note that is lost is
// a hint that is lost.
func (n *notes) write(name string, v any) error {
	if n.readOnly {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(n.dir, ".note-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), n.path(name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
