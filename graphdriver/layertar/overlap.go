package layertar

import "path"

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
type overlap struct {
	paths          map[string]uint8
	throughSymlink bool
}

func (o *overlap) check(e *Entry) error {
	if e.Kind == Ignored || e.Kind == Opaque {
		return nil
	}
	if o.paths == nil {
		o.paths = make(map[string]uint8)
	}
	was := o.paths[e.Path]
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
		o.paths[e.Path] = now
	}
	for dir := path.Dir(e.Path); dir != "." && dir != "/"; dir = path.Dir(dir) {
		d := o.paths[dir]
		if d&holdsPayload != 0 {
			return refuse(e.Name, "lies beneath %s, which the same archive has written as a file", Shown(dir))
		}
		if d&holdsSymlink != 0 {
			o.throughSymlink = true
		}
		if d&mark == mark {
			break
		}
		o.paths[dir] = d | mark
	}
	return nil
}
