package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/layer/buildkit"
)

// WasteKind says what sort of thing is of no use any more.
type WasteKind string

const (
	// WasteLayer: a layer that nothing refers to.
	WasteLayer WasteKind = "layer"
	// WasteUnfinished: a layer that was begun and not committed, or a removal.
	WasteUnfinished WasteKind = "unfinished"
	// WasteTransaction: files of a layer that came to nothing.
	WasteTransaction WasteKind = "transaction"
	// WasteTree: a tree that nobody has.
	WasteTree WasteKind = "tree"
	// WasteAside: a directory whose place another layer has taken.
	WasteAside WasteKind = "set-aside"
	// WasteUndo: what a repair replaced.
	WasteUndo WasteKind = "undo"
)

// Waste is one thing that nobody needs any more.
type Waste struct {
	Kind WasteKind
	// Path is what it is about, beneath the root.
	Path string
	// Layer is the chain ID, of WasteLayer.
	Layer ChainID `json:",omitempty"`
	// Size is how many bytes the files have.
	Size int64
}

// WasteOptions say what may be waste.
type WasteOptions struct {
	// Layers: layers that nothing refers to are. References have been taken for
	// everything that is to stay.
	Layers bool
	// Trees: trees that nobody has are; no other program keeps any in the
	// driver.
	Trees bool
	// Kept, if not nil, is told of what would be waste and has to stay, and why.
	Kept func(what string, why error)
}

// Waste lists what is of no use any more, in the order in which it has to be
// freed. It changes nothing. What a mount, a container or BuildKit needs is
// none.
func (s *Store) Waste(ctx context.Context, opts WasteOptions) ([]Waste, error) {
	if _, err := s.driver(); err != nil {
		return nil, err
	}
	g := &gathering{s: s, opts: opts}
	if g.opts.Kept == nil {
		g.opts.Kept = func(string, error) {}
	}
	for _, gather := range []func(context.Context) error{g.layers, g.unfinished, g.transactions, g.trees, g.aside, g.undone} {
		if err := gather(ctx); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return g.out, nil
}

type gathering struct {
	s    *Store
	opts WasteOptions
	out  []Waste
}

// add adds what lies at a path, with the tree of the driver's layer id, if any.
func (g *gathering) add(ctx context.Context, kind WasteKind, file, id string, chain ChainID) error {
	w := Waste{Kind: kind, Path: file, Layer: chain}
	if rel, err := filepath.Rel(g.s.opts.Root, file); err == nil {
		w.Path = rel
	}
	if kind != WasteTree {
		w.Size = weighFiles(file)
	}
	if id != "" {
		n, err := g.s.weighTree(ctx, id)
		if err != nil {
			return err
		}
		w.Size += n
	}
	g.out = append(g.out, w)
	return nil
}

// layers are those that nothing refers to, children first.
func (g *gathering) layers(ctx context.Context) error {
	if !g.opts.Layers {
		return nil
	}
	builders, err := g.s.BuildKits(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		g.opts.Kept("layers that nothing seems to refer to", err)
		return nil
	}
	above := map[*record]int{}
	all := g.s.sorted()
	for _, rec := range slices.Backward(all) {
		if rec.refs > 0 || rec.above > above[rec] || builders(rec.chain) {
			continue
		}
		if err := g.s.idle(ctx, rec.cacheID); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			g.opts.Kept("layer "+rec.chain.String(), err)
			continue
		}
		if rec.parent != nil {
			above[rec.parent]++
		}
		if err := g.add(ctx, WasteLayer, rec.dir, rec.cacheID, rec.chain); err != nil {
			return err
		}
	}
	return nil
}

// idle refuses what is mounted.
func (s *Store) idle(ctx context.Context, ids ...string) error {
	if d, ok := s.opts.Driver.(graphdriver.Mounter); ok {
		mounts, err := d.Mounts(ctx)
		if err != nil {
			return err
		}
		for _, at := range mounts {
			if slices.Contains(ids, at.ID) {
				return fmt.Errorf("it is mounted on %s; unmount that first: %w", at.Target, graphdriver.ErrBusy)
			}
		}
	}
	if d, ok := s.opts.Driver.(graphdriver.Mender); ok {
		return d.Idle(ctx, ids...)
	}
	return nil
}

// unfinished are layers in our journal that were not committed, and removals
// that were begun.
func (g *gathering) unfinished(ctx context.Context) error {
	live, err := g.s.live(ctx)
	if err != nil {
		return err
	}
	ids, err := g.s.intents()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, id := range ids {
		if live[id] {
			continue // Settle's
		}
		if err := g.add(ctx, WasteUnfinished, g.s.at.intent(id), id, ""); err != nil {
			return err
		}
	}
	_, removing, err := g.s.at.scan(ctx)
	if err != nil {
		return err
	}
	for _, f := range removing {
		id := f.cacheID
		if live[id] {
			id = ""
		}
		if err := g.add(ctx, WasteUnfinished, filepath.Join(g.s.at.chains(), f.name), id, ""); err != nil {
			return err
		}
	}
	return nil
}

func (g *gathering) transactions(ctx context.Context) error {
	return g.inside(ctx, g.s.at.tmp(), WasteTransaction, false)
}

func (g *gathering) aside(ctx context.Context) error {
	return g.inside(ctx, filepath.Join(g.s.at.state, dirSetAside), WasteAside, false)
}

func (g *gathering) undone(ctx context.Context) error {
	return g.inside(ctx, filepath.Join(g.s.at.state, dirUndo), WasteUndo, true)
}

// inside adds each name of a directory, and with trees the driver's layer of
// that name, unless somebody has it.
func (g *gathering) inside(ctx context.Context, dir string, kind WasteKind, trees bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := g.s.guard(filepath.Join(dir, "x")); err != nil {
		g.opts.Kept(dir, err)
		return nil
	}
	live, err := g.s.live(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id := ""
		if trees && graphdriver.ValidateID(e.Name()) == nil && !live[e.Name()] {
			id = e.Name()
		}
		if err := g.add(ctx, kind, filepath.Join(dir, e.Name()), id, ""); err != nil {
			return err
		}
	}
	return nil
}

func (g *gathering) trees(ctx context.Context) error {
	if !g.opts.Trees {
		return nil
	}
	ids, err := g.s.orphans(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := g.s.idle(ctx, id); err != nil {
			g.opts.Kept("tree "+id, err)
			continue
		}
		if err := g.add(ctx, WasteTree, filepath.Join(g.s.opts.DriverHome, id), id, ""); err != nil {
			return err
		}
	}
	return nil
}

// live are the driver's layers that somebody has: layers, also damaged ones,
// containers, BuildKit. Of what cannot be told to be BuildKit's nothing is
// known, which is an error.
func (s *Store) live(ctx context.Context) (map[string]bool, error) {
	builder, err := buildkit.Read(ctx, s.opts.Root)
	if err != nil {
		return nil, err
	}
	live := builder.IDs
	layers, _, err := s.at.scan(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range layers {
		live[f.cacheID] = true
	}
	mounts, err := s.at.scanMounts()
	if err != nil {
		return nil, err
	}
	for _, f := range mounts {
		live[f.mountID], live[f.initID] = true, true
	}
	delete(live, "")
	return live, nil
}

// Freeing removes what Waste told of. It is used while nobody else may write
// beneath the root, and no longer.
type Freeing struct {
	s *Store
	// live are the trees that somebody has, looked up once: what is freed can
	// only make them fewer.
	live map[string]bool
}

// Freeing begins to free.
func (s *Store) Freeing() *Freeing { return &Freeing{s: s} }

// Free removes one thing. A crash leaves it, or what is left of it, to be found
// again.
func (f *Freeing) Free(ctx context.Context, w Waste) (err error) {
	s := f.s
	if s.opts.ReadOnly {
		return ErrReadOnly
	}
	if w.Kind == WasteLayer { // there may be thousands, and it is known what has them
		return s.freeLayer(ctx, w.Layer)
	}
	if f.live == nil { // after the layers, which come first
		if f.live, err = s.live(ctx); err != nil {
			return err
		}
	}
	return s.free(ctx, w, f.live)
}

// free removes something that is no layer.
func (s *Store) free(ctx context.Context, w Waste, live map[string]bool) error {
	file, id := filepath.Join(s.opts.Root, w.Path), filepath.Base(w.Path)
	if w.Kind == WasteTree {
		if live[id] {
			return fmt.Errorf("tree %s: somebody has it by now: %w", id, graphdriver.ErrBusy)
		}
		return s.opts.Driver.Remove(ctx, id)
	}
	if err := s.guard(file); err != nil {
		return err
	}
	switch w.Kind {
	case WasteUnfinished:
		if filepath.Dir(file) == s.at.journal() {
			if live[id] {
				return nil
			}
			return s.discard(ctx, id)
		}
		f := readFound(unix.AT_FDCWD, filepath.Join(s.at.chains(), id), "", false)
		if f.cacheID != "" && !live[f.cacheID] {
			if err := s.opts.Driver.Remove(ctx, f.cacheID); err != nil {
				return err
			}
		}
		return s.removeDir(file)
	case WasteUndo:
		// The directory goes last: it is what tells of the tree.
		if graphdriver.ValidateID(id) == nil && !live[id] {
			if err := s.opts.Driver.Remove(ctx, id); err != nil {
				return err
			}
			s.dropStamp(id)
		}
	case WasteTransaction, WasteAside:
	default:
		return fmt.Errorf("waste of kind %q: %w", w.Kind, graphdriver.ErrInvalid)
	}
	return oneLine(s.disk.removeAll(file), s.disk.sync(filepath.Dir(file)))
}

func (s *Store) freeLayer(ctx context.Context, chain ChainID) error {
	s.mu.Lock()
	rec, err := s.find(chain)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	done, err := s.collectOne(ctx, rec)
	if err == nil && !done {
		err = fmt.Errorf("layer %s: somebody has it by now: %w", chain, graphdriver.ErrBusy)
	}
	return err
}

// weighFiles counts what the regular files at and beneath a path have.
func weighFiles(top string) (n int64) {
	_ = filepath.WalkDir(top, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is counted as far as it can be seen
		}
		if fi, err := d.Info(); err == nil && fi.Mode().IsRegular() {
			n += fi.Size()
		}
		return nil
	})
	return n
}

// weighTree counts what the files of a stored tree have, each once; of one
// that cannot be looked at nothing.
func (s *Store) weighTree(ctx context.Context, id string) (n int64, err error) {
	trees, ok := s.opts.Driver.(graphdriver.TreeDriver)
	if !ok {
		return 0, nil
	}
	tree, err := trees.StoredTree(ctx, id)
	if err != nil {
		return 0, ctx.Err()
	}
	defer func() { err = oneLine(err, tree.Close()) }()
	type file struct{ dev, ino uint64 }
	seen := map[file]bool{}
	var walk func(dir string) error
	walk = func(dir string) error {
		nodes, err := tree.ReadDir(ctx, dir, false)
		if err != nil {
			return ctx.Err() // it is counted as far as it can be seen
		}
		for _, node := range nodes {
			f := file{node.Dev, node.Ino}
			switch {
			case node.Kind == layertar.Dir:
				if err := walk(path.Join(dir, node.Name)); err != nil {
					return err
				}
			case node.Kind == layertar.File && !seen[f]:
				seen[f] = node.Nlink > 1
				n += node.Size
			}
		}
		return nil
	}
	return n, walk(".")
}
