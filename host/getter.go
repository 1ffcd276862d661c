package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/naivediff"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/confine"
)

// DiffGetter implements graphdriver.DiffGetterDriver. The layer stays locked
// for reading until Close.
func (d *Driver) DiffGetter(ctx context.Context, id string) (graphdriver.FileGetCloser, error) {
	unlock, err := d.lock(ctx, id, reading, "", reading)
	if err != nil {
		return nil, err
	}
	g, err := d.getter(ctx, id, unlock)
	if err != nil {
		unlock()
		return nil, err
	}
	return g, nil
}

func (d *Driver) getter(ctx context.Context, id string, unlock func()) (graphdriver.FileGetCloser, error) {
	if d.Description().Has(abi.MethodReadFile) {
		return &readFile{d: d, ctx: ctx, id: id, unlock: unlock}, nil
	}
	p, err := d.base(ctx, id)
	if err != nil {
		return nil, err
	}
	base, err := d.sub(abi.MethodDiffGetter, id, p)
	if err != nil {
		return nil, err
	}
	return &naivediff.Files{Dir: base, Done: func() error {
		defer unlock()
		return base.Close()
	}}, nil
}

// base is the directory beneath which a layer's files lie: the module's
// answer, which must be where the host saw the entries go.
func (d *Driver) base(ctx context.Context, id string) (string, error) {
	method, tag := abi.MethodDiffGetter, abi.FieldBase
	if !d.Description().Has(method) {
		method, tag = abi.MethodGet, abi.FieldSpec
	}
	out, err := d.call(ctx, calls.Params{Method: method, ID: id, Args: idArgs(id)})
	if err != nil {
		return "", err
	}
	f, err := d.one(out, tag, method)
	if err != nil {
		return "", err
	}
	p := string(f.Value)
	if tag == abi.FieldSpec {
		s, ok := f.Spec()
		if !ok || s.Kind != abi.SpecDir || len(s.Paths) != 1 {
			return "", fmt.Errorf("driver %s: layer %s has no directory that files could be read from: %w", d.cfg.Name, id, graphdriver.ErrNotSupported)
		}
		p = s.Paths[0]
	}
	clean, err := confine.CleanPath(p)
	if err != nil || clean != p || clean == "." {
		return "", d.broken(method, fmt.Sprintf("the base %q", p))
	}
	return clean, d.placed(method, id, clean)
}

// sub opens the directory that a driver named as a layer's.
func (d *Driver) sub(m abi.Method, id, base string) (*confine.Dir, error) {
	dir, err := d.home.Sub(base, confine.NoLinks)
	if err == nil {
		return dir, nil
	}
	kind := graphdriver.ErrInvalid
	if errors.Is(err, os.ErrNotExist) {
		kind = graphdriver.ErrNotFound
	}
	return nil, fmt.Errorf("driver %s: %s: layer %s: %w: %w", d.cfg.Name, m, id, kind, err)
}

// placed checks where a driver says that a layer lies: where its entries went
// if the host saw them, and in no case where another layer lies.
func (d *Driver) placed(m abi.Method, id, base string) error {
	note, err := d.notes.layer(id)
	if err != nil {
		return err
	}
	if note.Base != "" && note.Base != base {
		err = fmt.Errorf("layer %s was stored at %q, and the driver names %q: %w", id, note.Base, base, graphdriver.ErrCorrupt)
	} else if err = d.notes.mayLie(id, base); err == nil {
		if other, found := d.env.Seals.Foreign(base, id); found {
			err = fmt.Errorf("layer %s cannot lie at %q, which holds layer %s: %w", id, base, other, graphdriver.ErrCorrupt)
		}
	}
	if err != nil {
		return fmt.Errorf("driver %s: %s: %w", d.cfg.Name, m, err)
	}
	return nil
}

// readFile asks the module for each file's content.
type readFile struct {
	d      *Driver
	ctx    context.Context // of DiffGetter: the getter lives no longer
	id     string
	unlock func()
}

// Get implements graphdriver.FileGetCloser.
func (r *readFile) Get(name string) (io.ReadCloser, error) {
	args := abi.AppendFieldString(idArgs(r.id), abi.FieldName, name)
	p := calls.Params{Method: abi.MethodReadFile, ID: r.id, Args: args}
	return r.d.stream(r.ctx, p, func() {})
}

// Close implements graphdriver.FileGetCloser.
func (r *readFile) Close() error {
	r.unlock()
	return nil
}
