package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	v1 "github.com/bulkhead/bulkhead/image/v1"
	"github.com/bulkhead/bulkhead/layer"
)

// store brings one image over: its layer onto its parent's, then its
// configuration.
func (m *migration) store(ctx context.Context, id string, raw []byte, parent image.ID) (got Migrated, why, err error) {
	var above layer.ChainID
	var config []byte
	if parent != "" {
		p, err := m.to.Images.Get(parent)
		if err != nil {
			return got, nil, err
		}
		above, config = p.Config.ChainID(), p.Raw
	}
	ses, err := m.to.Layers.NewSession(ctx)
	if err != nil {
		return got, nil, err
	}
	var held layer.Layer
	defer func() {
		after := context.WithoutCancel(ctx)
		if held != nil {
			if _, rerr := m.to.Layers.Release(after, held); !errors.Is(rerr, layer.ErrNotRetained) {
				err = errors.Join(err, rerr)
			}
		}
		err = errors.Join(err, ses.Close(after))
	}()
	held, exact, why, err := m.layer(ctx, ses, id, above)
	if why != nil || err != nil {
		return got, why, err
	}
	made, err := v1.MakeImageConfig(raw, config, held.DiffID())
	if err == nil {
		_, err = image.ParseConfig(made)
	}
	if err != nil {
		return got, err, nil
	}
	if err := ses.Commit(ctx); err != nil {
		return got, nil, err
	}
	got = Migrated{From: id, Exact: exact}
	if got.ID, err = m.to.Images.Create(ctx, made); err != nil {
		return got, nil, err
	}
	return got, nil, m.setParent(ctx, got.ID, parent)
}

// setParent notes what an image was built on, unless that is known.
func (m *migration) setParent(ctx context.Context, id, parent image.ID) error {
	now, err := m.to.Images.Get(id)
	if err != nil || parent == "" || now.Parent != "" {
		return err
	}
	return m.to.Images.SetParent(ctx, id, parent)
}

// layer brings over the layer of one image.
func (m *migration) layer(ctx context.Context, ses *layer.Session, id string, parent layer.ChainID) (_ layer.Layer, exact bool, why, err error) {
	img, err := m.from.Unsized(ctx, id)
	if err != nil {
		return nil, false, err, ctx.Err()
	}
	tar, err := m.from.TarLayer(ctx, img)
	if err != nil {
		return nil, false, err, ctx.Err()
	}
	src := &source{r: tar, most: m.opts.Layer, id: layer.DiffID("sha256:" + id), to: m.opts.Progress}
	src.start()
	l, err := ses.Register(ctx, src, parent, layer.RegisterOptions{Entries: m.opts.Entries})
	cerr := tar.Close()
	switch {
	case ctx.Err() != nil:
		return nil, false, nil, ctx.Err()
	case src.err != nil:
		return nil, false, src.err, nil
	case err != nil && ofTheImage(err):
		return nil, false, err, nil
	case err != nil || cerr != nil:
		return l, false, nil, errors.Join(err, cerr)
	}
	src.done()
	return l, tar.Exact, nil, nil
}

// source is a layer's archive as it is read: bounded, with progress, and with
// the error by which it failed, if it did.
type source struct {
	r    io.Reader
	read int64
	most int64
	err  error
	id   layer.DiffID
	to   archive.Progress
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.most > 0 && s.read > s.most {
		s.err = fmt.Errorf("%w: its layer's archive has more than %d bytes; raise limits.layer", layertar.ErrRefused, s.most)
		return 0, s.err
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.to != nil {
		s.to.Advance(s.id, int64(n))
	}
	return n, err
}

func (s *source) start() {
	if s.to != nil {
		s.to.Start(s.id, -1)
	}
}

func (s *source) done() {
	if s.to != nil {
		s.to.Done(s.id)
	}
}
