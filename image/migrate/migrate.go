package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/internal/durable"
	v1 "github.com/bulkhead/bulkhead/image/v1"
	"github.com/bulkhead/bulkhead/layer"
)

// Source is the graph to take images from, opened to read.
type Source struct {
	*v1.Graph
	// Root is the directory it lies in.
	Root string
}

// Target are the stores to take them to, open to write.
type Target struct {
	archive.Stores
	// Root and Driver are theirs.
	Root, Driver string
}

// Options are what Run takes beside the stores. The zero value asks for nothing.
type Options struct {
	// Progress is told of the layers' archives, by the IDs of their images in
	// the graph, since what they hash to is not known before; nil for nobody.
	Progress archive.Progress
	// Layer bounds a layer's archive in bytes, Entries its entries; 0 is no bound.
	Layer, Entries int64
	// Stored, if not nil, is told of each image as soon as it is durable.
	Stored func(Migrated)
}

// Migrated is an image that is in the new stores.
type Migrated struct {
	From string // its ID in the graph
	ID   image.ID
	// Exact: its own layer is byte for byte the archive that it was stored from,
	// each file checked against what was noted of it then. Otherwise it is what
	// the driver told of the differences to the parent, which nothing proves.
	Exact bool
}

// Result is what Run did.
type Result struct {
	// Stored are the images that came over, Already those that were there.
	Stored, Already []Migrated
	// Names are how many names the images were given.
	Names int
	// Left is what does not come over, each with the reason.
	Left []convert.Left
}

var (
	// ErrContainer: a container's layer is one of its driver, and stays.
	ErrContainer = errors.New("containers are not migrated: commit it with the Docker that made it, or create it anew from its image")
	// ErrBare: the graph tells of an image whose layer the driver does not have.
	ErrBare = errors.New("the driver has no layer of it: it is another driver's (see --from), or what is left of an image")
	// ErrParent: an image cannot come over without its parent.
	ErrParent = errors.New("its parent did not come over")
)

// Run brings all images of a graph over. What is damaged is passed over and
// told in the result. Images that came over in an earlier Run are not read
// again. An error ends it; what was stored before stays.
func Run(ctx context.Context, from Source, to Target, opts Options) (Result, error) {
	m := &migration{from: from, to: to, opts: opts, ids: map[string]image.ID{}, failed: map[string]bool{}}
	if m.opts.Stored == nil {
		m.opts.Stored = func(Migrated) {}
	}
	// What an interrupted run left of a note.
	if err := durable.Sweep(m.notes()); err != nil {
		return m.done, err
	}
	for _, id := range from.Bare() {
		m.leave("image", v1.Short(id), ErrBare)
		m.failed[id] = true
	}
	for _, id := range from.IDs() {
		if err := m.chain(ctx, id); err != nil {
			return m.done, err
		}
	}
	if err := m.names(ctx); err != nil {
		return m.done, err
	}
	return m.done, m.containers()
}

type migration struct {
	from   Source
	to     Target
	opts   Options
	done   Result
	ids    map[string]image.ID // what became of the graph's images
	failed map[string]bool     // those that stay
}

func (m *migration) leave(kind, name string, why error) {
	m.done.Left = append(m.done.Left, convert.Left{Kind: kind, Name: name, Why: why})
}

// settled tells whether an image has had its turn.
func (m *migration) settled(id string) bool { return m.ids[id] != "" || m.failed[id] }

// chain brings over an image and first those that it lies on.
func (m *migration) chain(ctx context.Context, id string) error {
	type link struct {
		id, parent string
		err        error
	}
	var up []link
	seen := map[string]bool{}
	for id != "" && !m.settled(id) {
		if seen[id] { // all of the circle fails, since the last has no parent that came over
			break
		}
		seen[id] = true
		img, err := m.from.Unsized(ctx, id)
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		l := link{id: id, err: err}
		if err == nil {
			l.parent = img.Parent
		}
		up = append(up, l)
		id = l.parent
	}
	for _, l := range slices.Backward(up) {
		why, err := l.err, error(nil)
		switch {
		case why != nil:
		case l.parent != "" && m.ids[l.parent] == "":
			why = fmt.Errorf("%w: %s", ErrParent, v1.Short(l.parent))
		default:
			why, err = m.image(ctx, l.id, m.ids[l.parent])
		}
		if err != nil {
			return fmt.Errorf("image %s: %w", v1.Short(l.id), err)
		}
		if why != nil {
			m.failed[l.id] = true
			m.leave("image", v1.Short(l.id), why)
		}
	}
	return nil
}

// image brings over an image whose parent has come. why is what is wrong with
// it, err what ends the migration.
func (m *migration) image(ctx context.Context, id string, parent image.ID) (why, err error) {
	raw, err := m.from.RawJSON(id)
	if err != nil {
		return err, nil
	}
	if has, ok := m.noted(id, raw); ok {
		m.ids[id] = has.ID
		m.done.Already = append(m.done.Already, has)
		return nil, nil
	}
	got, why, err := m.store(ctx, id, raw, parent)
	if why != nil || err != nil {
		return why, err
	}
	if err := m.note(got, raw); err != nil {
		return nil, err
	}
	m.ids[id] = got.ID
	m.done.Stored = append(m.done.Stored, got)
	m.opts.Stored(got)
	return nil, nil
}

// ofTheImage tells what an image's own content is the cause of.
func ofTheImage(err error) bool {
	for _, class := range []error{layertar.ErrRefused, layer.ErrMaxDepth, image.ErrInvalidConfig} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}
