package naivediff

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/graphdriver/treediff"
	"github.com/bulkhead/bulkhead/host/confine"
)

// Trees are a layer's tree and the one it is compared with.
type Trees struct {
	New confine.Tree
	// Old is nil to compare with nothing: all is added.
	Old confine.Tree
	// Created is when New was a copy of Old, if that is known.
	Created treediff.Created
}

// Changes lists what differs.
func Changes(ctx context.Context, t Trees) ([]graphdriver.Change, error) {
	kinds := [...]graphdriver.ChangeKind{
		treediff.Modified: graphdriver.Modified, treediff.Added: graphdriver.Added, treediff.Deleted: graphdriver.Deleted,
	}
	var out []graphdriver.Change
	err := t.compare(ctx, false, func(c *treediff.Change) error {
		out = append(out, graphdriver.Change{Path: "/" + string(c.Path), Kind: kinds[c.Kind]})
		return nil
	})
	return graphdriver.NormalizeChanges(out), err
}

// Size is how many bytes of files are new or changed, each inode once.
func Size(ctx context.Context, t Trees) (size int64, err error) {
	seen := map[uint64]struct{}{}
	err = t.compare(ctx, false, func(c *treediff.Change) error {
		if c.New == nil || !c.New.IsFile() {
			return nil
		}
		if _, twice := seen[c.New.Ino]; !twice {
			size += int64(c.New.Size)
		}
		if c.New.Nlink > 1 {
			seen[c.New.Ino] = struct{}{}
		}
		return nil
	})
	return size, err
}

// Write writes what differs as a layer's archive.
func Write(ctx context.Context, w io.Writer, t Trees) error {
	tw := confine.NewTarWriter(ctx, w, nil)
	err := t.compare(ctx, true, func(c *treediff.Change) error {
		p := string(c.Path)
		if c.Kind == treediff.Deleted {
			return tw.Whiteout(t.New, p)
		}
		return tw.File(t.New, p, p)
	})
	if cerr := tw.Close(err); err == nil {
		err = cerr
	}
	return err
}

// Apply makes the entries of src beneath dir.
func Apply(ctx context.Context, dir *confine.Dir, src layertar.Source, opt confine.ApplyOptions) (confine.Applied, error) {
	a := confine.NewApplier(dir, opt)
	for {
		e, err := src.Next()
		if err == io.EOF {
			return a.Finish(ctx)
		}
		var body confine.Payload
		if err == nil {
			body, err = payload(e, src)
		}
		if err == nil {
			err = a.Apply(ctx, e, "", body)
		}
		if err != nil {
			a.Abort()
			return confine.Applied{}, err
		}
	}
}

// hold is the largest payload, in bytes, that is read before it is written, so
// that files can be written side by side.
const hold = 256 << 10

func payload(e *layertar.Entry, src io.Reader) (confine.Payload, error) {
	switch {
	case e.Kind != layertar.File || e.Size == 0:
		return confine.Payload{}, nil
	case e.Size > hold:
		return confine.Payload{Rest: src}, nil
	}
	b := make([]byte, e.Size)
	_, err := io.ReadFull(src, b)
	return confine.Payload{Held: b}, err
}

// compare compares the trees. dirTimes says that the time of a directory
// counts by itself.
func (t Trees) compare(ctx context.Context, dirTimes bool, emit func(*treediff.Change) error) error {
	opts := treediff.Options{NoOld: t.Old == nil, Created: t.Created, DirTimes: dirTimes}
	s := &source{ctx: ctx, trees: t, opts: opts, lister: confine.NewLister()}
	s.bufs[0], s.bufs[1] = make([]byte, 64<<10), make([]byte, 64<<10)
	return treediff.Compare(s, opts, emit)
}

// source answers treediff from directories.
type source struct {
	ctx    context.Context
	trees  Trees
	opts   treediff.Options
	lister *confine.Lister
	found  *confine.Differences // once both trees were walked
	bufs   [2][]byte
}

// walkers is how many directories are listed at a time.
const walkers = 2

// List implements treediff.Source.
func (s *source) List(dirs []treediff.Dir, names func(int, []treediff.Node) error) error {
	for i, d := range dirs {
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		found, err := s.listing(d)
		if err != nil {
			return err
		}
		nodes := make([]treediff.Node, 0, len(found))
		for k := range found {
			nodes = append(nodes, node(&found[k]))
		}
		if err := names(i, nodes); err != nil {
			return err
		}
	}
	return nil
}

// listing is a directory of one tree, or what of it both do not agree on.
func (s *source) listing(d treediff.Dir) ([]confine.Name, error) {
	if s.trees.Old == nil {
		return s.lister.List(s.trees.New, d.Path, true)
	}
	if s.found == nil {
		var err error
		s.found, err = s.lister.Walk(s.ctx, s.trees.Old, s.trees.New, "", true, func(old, new *confine.Name) bool {
			was, is := node(old), node(new)
			return treediff.Agree(&was, &is, s.opts)
		}, walkers)
		if err != nil {
			return nil, err
		}
	}
	olds, news, oldErr, newErr, both := s.found.At(d.Path)
	switch {
	case !both: // in the new tree only
		return s.lister.List(s.trees.New, d.Path, true)
	case d.Side == treediff.Old:
		return olds, oldErr
	}
	return news, newErr
}

func node(n *confine.Name) treediff.Node {
	st := &n.Stat
	out := treediff.Node{
		Name: []byte(n.Name), Ino: st.Ino, Size: uint64(st.Size),
		MtimeSec: st.Mtim.Sec, MtimeNsec: st.Mtim.Nsec, CtimeSec: st.Ctim.Sec, CtimeNsec: st.Ctim.Nsec,
		Mode: st.Mode, UID: st.UID, GID: st.GID, Nlink: uint32(st.Nlink), Attrs: n.Attrs,
	}
	if t := st.Type(); t == unix.S_IFCHR || t == unix.S_IFBLK {
		out.Rdev = st.Rdev
	}
	return out
}

// Equal implements treediff.Source.
func (s *source) Equal(paths [][]byte, equal []bool) error {
	for i, p := range paths {
		eq, err := confine.EqualFiles(s.ctx, s.trees.Old, string(p), s.trees.New, string(p), &s.bufs)
		if err != nil {
			return err
		}
		equal[i] = eq
	}
	return nil
}
