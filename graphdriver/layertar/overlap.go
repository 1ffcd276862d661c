package layertar

import (
	"hash/maphash"
	"path"
)

// What an archive has put at a path so far.
const (
	holdsPayload  uint8 = 1 << iota // a file with content
	abovePayload                    // a directory with such a file beneath it
	holdsSymlink                    // a symlink
	throughParent                   // the parent's ancestors were looked at
)

// overlap finds entries that take away what an earlier entry of the same
// archive has written. Docker accepts them, and then cannot export the layer
// again: the file that tar-split wants is gone.
//
// It remembers paths by a hash that nobody outside can foresee, so that a
// million of them take little. Two that met would make it refuse an archive,
// once in tens of millions of such.
type overlap struct {
	paths          map[uint64]uint8
	seed           maphash.Seed
	throughSymlink bool
}

func (o *overlap) key(p string) uint64 { return maphash.String(o.seed, p) }

func (o *overlap) check(e *Entry) error {
	if e.Kind == Ignored || e.Kind == Opaque {
		return nil
	}
	if o.paths == nil {
		o.paths, o.seed = make(map[uint64]uint8), maphash.MakeSeed()
	}
	at := o.key(e.Path)
	was := o.paths[at]
	if was&holdsPayload != 0 {
		return refuse(e.Name, "removes or replaces %s, which the same archive has written", Shown(e.Path))
	}
	if was&abovePayload != 0 && e.Kind != Dir {
		return refuse(e.Name, "removes or replaces a directory whose files the same archive has written")
	}
	if e.Kind == Whiteout {
		return nil
	}
	if was&throughParent != 0 && e.Kind != Dir {
		o.throughSymlink = true // paths beneath it are marked and not looked at again
	}
	now := was &^ holdsSymlink
	if e.Kind == Symlink {
		now |= holdsSymlink
	}
	mark := uint8(throughParent)
	if e.Size > 0 {
		now |= holdsPayload
		mark |= abovePayload
	}
	if now != 0 {
		o.paths[at] = now
	}
	for dir := path.Dir(e.Path); dir != "." && dir != "/"; dir = path.Dir(dir) {
		at := o.key(dir)
		d := o.paths[at]
		if d&holdsPayload != 0 {
			return refuse(e.Name, "lies beneath %s, which the same archive has written as a file", Shown(dir))
		}
		if d&holdsSymlink != 0 {
			o.throughSymlink = true
		}
		if d&mark == mark {
			break
		}
		o.paths[at] = d | mark
	}
	return nil
}
