package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
	"github.com/bulkhead/bulkhead/host/mount"
)

// maxChain is how many layers the host follows from one to those beneath.
const maxChain = 1024

// live is a spec whose directories were checked and are held open.
type live struct {
	kind        uint16
	dir         string // the tree itself, relative to the home, of SpecDir
	lowers      []*confine.Dir
	upper, work *confine.Dir
	userAttrs   bool
	closed      bool
}

func (l *live) close() error {
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for _, d := range append([]*confine.Dir{l.upper, l.work}, l.lowers...) {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// tree is what the spec shows, without a mount.
func (l *live) tree() confine.Tree {
	dirs := l.lowers
	if l.upper != nil {
		dirs = append([]*confine.Dir{l.upper}, dirs...)
	}
	if l.kind == abi.SpecDir {
		return dirs[0]
	}
	return confine.NewStack(dirs, l.userAttrs)
}

// spec asks the driver what a layer's tree is made of, and holds the answer
// against what the host knows: the layer's own directory is where its entries
// went, those beneath are exactly its parents', and only a layer that was
// created to be written to, and is not committed, has an upper directory.
// The caller holds the layer's lock.
func (d *Driver) spec(ctx context.Context, id, label string) (*live, error) {
	args := idArgs(id)
	if label != "" {
		args = abi.AppendFieldString(args, abi.FieldMountLabel, label)
	}
	fixed, err := d.fixed(id)
	if err != nil {
		return nil, err
	}
	if fixed {
		args = abi.AppendFieldU32(args, abi.FieldReadOnly, 1)
	}
	out, err := d.call(ctx, calls.Params{Method: abi.MethodGet, ID: id, Args: args})
	if err != nil {
		return nil, err
	}
	f, err := d.one(out, abi.FieldSpec, abi.MethodGet)
	if err != nil {
		return nil, err
	}
	s, ok := f.Spec()
	if !ok {
		return nil, d.broken(abi.MethodGet, "a malformed spec")
	}
	switch {
	case s.Kind == abi.SpecDir && len(s.Paths) == 1 && s.Flags == 0:
		return d.dirSpec(id, s.Paths[0])
	case s.Kind == abi.SpecOverlay && s.Flags&^(abi.SpecWritable|abi.SpecUserAttrs) == 0:
		if fixed && s.Flags&abi.SpecWritable != 0 {
			return nil, fmt.Errorf("driver %s: get %s: nothing may be written to the layer, and the driver would have it mounted to be: %w", d.cfg.Name, id, graphdriver.ErrDenied)
		}
		return d.overlaySpec(ctx, id, s)
	case s.Kind == abi.SpecDir, s.Kind == abi.SpecOverlay:
		return nil, d.broken(abi.MethodGet, "a malformed spec")
	}
	return nil, fmt.Errorf("driver %s: get %s: spec kind %d is not known to this host: %w", d.cfg.Name, id, s.Kind, graphdriver.ErrNotSupported)
}

func (d *Driver) dirSpec(id, p string) (*live, error) {
	dir, err := d.own(id, p)
	if err != nil {
		return nil, err
	}
	parent, err := d.parent(id)
	if err == nil && parent != "" && d.Description().Capabilities.Deltas {
		err = fmt.Errorf("driver %s: get %s: the one directory %q for a layer that lies on %s: %w", d.cfg.Name, id, p, parent, graphdriver.ErrCorrupt)
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &live{kind: abi.SpecDir, dir: p, lowers: []*confine.Dir{dir}}, nil
}

// own opens a directory that a driver named as a layer's own.
func (d *Driver) own(id, p string) (*confine.Dir, error) {
	clean, err := confine.CleanPath(p)
	if err != nil || clean != p || clean == "." {
		return nil, d.broken(abi.MethodGet, fmt.Sprintf("the directory %q", p))
	}
	if err := d.placed(abi.MethodGet, id, clean); err != nil {
		return nil, err
	}
	return d.sub(abi.MethodGet, id, clean)
}

func (d *Driver) overlaySpec(ctx context.Context, id string, s abi.Spec) (l *live, err error) {
	if !d.env.Granted("mount.overlay") {
		return nil, fmt.Errorf("driver %s: get %s: the driver has no grant %q; add it to the driver's grants if it is to have it: %w", d.cfg.Name, id, "mount.overlay", graphdriver.ErrDenied)
	}
	l = &live{kind: abi.SpecOverlay, userAttrs: s.Flags&abi.SpecUserAttrs != 0}
	// Marks that are looked for where they are not would show what they hide.
	if l.userAttrs != graphdriver.InUserNamespace() {
		return l, fmt.Errorf("driver %s: get %s: its marks of overlay (user.overlay: %t) are not where the host told it (overlay-attrs): %w", d.cfg.Name, id, l.userAttrs, graphdriver.ErrCorrupt)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	paths := s.Paths
	if s.Flags&abi.SpecWritable != 0 {
		if len(paths) < 3 {
			return l, d.broken(abi.MethodGet, "an overlay without directories")
		}
		if err := d.mayWrite(id, paths[0], paths[1]); err != nil {
			return l, err
		}
		if l.upper, err = d.own(id, paths[0]); err != nil {
			return l, err
		}
		if l.work, err = d.sub(abi.MethodGet, id, paths[1]); err != nil {
			return l, err
		}
		paths = paths[2:]
	}
	want, err := d.chain(ctx, id, l.upper == nil)
	if err != nil {
		return l, err
	}
	if len(paths) != len(want) {
		return l, fmt.Errorf("driver %s: get %s: %d directories for the %d layers beneath: %w", d.cfg.Name, id, len(paths), len(want), graphdriver.ErrCorrupt)
	}
	for i, p := range paths {
		if p != want[i].base {
			if err := d.instead(ctx, "get "+id, p, want[i]); err != nil {
				return l, err
			}
		}
		dir, err := d.sub(abi.MethodGet, want[i].id, want[i].base)
		if err != nil {
			return l, err
		}
		l.lowers = append(l.lowers, dir)
	}
	if l.upper != nil {
		return l, d.notes.setWork(id, s.Paths[1])
	}
	return l, nil
}

// fixed reports whether nothing may be written to a layer: it is committed, or
// was created to be filled by ApplyDiff.
func (d *Driver) fixed(id string) (bool, error) {
	note, err := d.notes.layer(id)
	return d.cfg.ReadOnly || d.env.Seals.Sealed(id) || note.Created != nil && !note.ReadWrite, err
}

// mayWrite checks the directories that a mount would write to.
func (d *Driver) mayWrite(id, upper, work string) error {
	if within(upper, work) || within(work, upper) {
		return d.broken(abi.MethodGet, fmt.Sprintf("the work directory %q beside the upper one %q", work, upper))
	}
	for _, p := range []string{upper, work} {
		clean, err := confine.CleanPath(p)
		if err != nil || clean != p || clean == "." {
			return d.broken(abi.MethodGet, fmt.Sprintf("the directory %q", p))
		}
		if err := d.notes.mayLie(id, clean); err != nil {
			return fmt.Errorf("driver %s: get: %w", d.cfg.Name, err)
		}
		if other, found := d.env.Seals.Foreign(clean, id); found {
			return fmt.Errorf("driver %s: get %s: %q would be written to, and holds layer %s: %w", d.cfg.Name, id, clean, other, graphdriver.ErrDenied)
		}
	}
	return nil
}

// within reports whether a directory is another or lies in it.
func within(dir, other string) bool { return strings.HasPrefix(dir+"/", other+"/") }

// parent is the layer beneath one, "" for none.
func (d *Driver) parent(id string) (string, error) {
	note, err := d.notes.layer(id)
	return d.below(id, note), err
}

// below is what a layer's note says is beneath it, or else the layer store.
func (d *Driver) below(id string, note layerNote) string {
	if note.Created == nil && note.Parent == "" {
		return d.lineage.of(id)
	}
	return note.Parent
}

// linked is a layer and where its entries lie.
type linked struct{ id, base string }

// chain lists the layers beneath one, the next first; with self it begins
// with the layer itself.
func (d *Driver) chain(ctx context.Context, id string, self bool) ([]linked, error) {
	var out []linked
	for at := id; at != ""; {
		if len(out) > maxChain {
			return nil, fmt.Errorf("driver %s: more than %d layers beneath %s: %w", d.cfg.Name, maxChain, id, graphdriver.ErrLimit)
		}
		note, err := d.notes.layer(at)
		if err != nil {
			return nil, err
		}
		if at != id || self {
			base := note.Base
			if base == "" {
				if base, err = d.base(ctx, at); err != nil {
					return nil, err
				}
				if err := d.notes.setBase(at, base); err != nil {
					return nil, err
				}
			}
			out = append(out, linked{at, base})
		}
		at = d.below(at, note)
	}
	return out, nil
}

// mountSpec pins the directories for the kernel.
func (l *live) mountSpec(label string, readOnly bool) (spec mount.Spec, done func(), err error) {
	var pins []*mount.Pinned
	done = func() {
		for _, p := range pins {
			p.Close() // what was mounted stays
		}
	}
	pin := func(dir *confine.Dir) *mount.Pinned {
		if dir == nil || err != nil {
			return nil
		}
		var p *mount.Pinned
		if p, err = mount.Pin(dir); err == nil {
			pins = append(pins, p)
		}
		return p
	}
	spec = mount.Spec{Kind: mount.Overlay, UserXattr: l.userAttrs, Label: label}
	if l.kind == abi.SpecDir {
		spec.Kind, spec.Label = mount.Bind, "" // a label is an overlay's
	}
	if l.upper != nil && readOnly {
		spec.Lower = append(spec.Lower, pin(l.upper))
	} else if l.upper != nil {
		spec.Upper, spec.Work = pin(l.upper), pin(l.work)
	}
	for _, dir := range l.lowers {
		spec.Lower = append(spec.Lower, pin(dir))
	}
	if l.kind == abi.SpecDir && !readOnly {
		spec.Upper, spec.Lower = spec.Lower[0], nil
	}
	if err != nil {
		done()
	}
	return spec, done, err
}
