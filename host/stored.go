package host

import (
	"context"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/confine"
)

// StoredTree implements graphdriver.TreeDriver. The layer stays locked for
// reading until Close.
func (d *Driver) StoredTree(ctx context.Context, id string) (graphdriver.StoredTree, error) {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return nil, err
	}
	base, err := d.base(ctx, id)
	if err != nil {
		unlock()
		return nil, err
	}
	dir, err := d.sub(abi.MethodDiffGetter, id, base)
	if err != nil {
		unlock()
		return nil, err
	}
	return &storedTree{dir: dir, lister: confine.NewLister(), unlock: unlock}, nil
}

type storedTree struct {
	dir    *confine.Dir
	lister *confine.Lister
	unlock func()
}

// ReadDir implements graphdriver.StoredTree.
func (t *storedTree) ReadDir(ctx context.Context, p string, detail bool) ([]graphdriver.StoredNode, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	names, err := t.lister.Details(t.dir, p, detail)
	if err != nil {
		return nil, err
	}
	out := make([]graphdriver.StoredNode, 0, len(names))
	for i := range names {
		out = append(out, storedNode(&names[i]))
	}
	return out, nil
}

// Root implements graphdriver.StoredTree.
func (t *storedTree) Root(context.Context) (graphdriver.StoredNode, error) {
	d, err := t.lister.Self(t.dir)
	return storedNode(&d), err
}

func storedNode(d *confine.Detail) graphdriver.StoredNode {
	st := &d.Stat
	return graphdriver.StoredNode{
		Name: d.Name, Kind: d.Kind(), Mode: st.Mode & 0o7777, UID: st.UID, GID: st.GID, Size: st.Size, Nlink: st.Nlink,
		Dev: st.Dev, Ino: st.Ino, MtimeSec: st.Mtim.Sec, MtimeNsec: st.Mtim.Nsec, CtimeSec: st.Ctim.Sec, CtimeNsec: st.Ctim.Nsec,
		Major: d.Major(), Minor: d.Minor(), Link: d.Link, Xattrs: d.Xattrs, Opaque: d.Opaque,
	}
}

// FileSystem implements graphdriver.StoredTree.
func (t *storedTree) FileSystem() string { return t.dir.FileSystem() }

// Close implements graphdriver.StoredTree.
func (t *storedTree) Close() error {
	t.unlock()
	return t.dir.Close()
}
