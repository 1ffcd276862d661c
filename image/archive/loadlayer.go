package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// layers registers the layers of one image, lowest first.
func (l *loader) layers(ctx context.Context, p *planned) error {
	var parent layer.ChainID
	for i, id := range p.config.DiffIDs() {
		lay, err := l.layer(ctx, p.layers[i], parent, id)
		if err != nil {
			return fmt.Errorf("image %s: layer %d of %d (%s): %w", p.id.Short(), i+1, len(p.layers), id, err)
		}
		parent = lay.ChainID()
	}
	return nil
}

// layer registers one layer. One that is stored already is not read again,
// except to hold the archive to what it promises of it.
func (l *loader) layer(ctx context.Context, b blob, parent layer.ChainID, id layer.DiffID) (_ layer.Layer, err error) {
	if l.opts.SkipStored && !l.keeps(b) {
		if lay, err := l.ses.Get(layer.NextChainID(parent, id)); err == nil {
			l.retained = append(l.retained, lay)
			return lay, nil
		}
	}
	f, err := l.in.OpenLinked(b.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l.opts.Progress.Start(id, f.Size())
	keep, err := l.keep(ctx, b, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keep.end()) }()
	watch := &watched{ctx: ctx, r: keep, id: id, progress: l.opts.Progress}
	held, err := hold(watch, b.promise, f.Size())
	if err != nil {
		return nil, err
	}
	tar, kind, err := input.Decompress(held, l.opts.Limits.Window)
	if err != nil {
		return nil, err
	}
	defer tar.Close()
	if err := checkCompression(b.promise, kind); err != nil {
		return nil, err
	}
	ahead := readAhead(tar)
	defer ahead.Close()
	bounded := &bounded{r: ahead, limits: l.opts.Limits, layer: l.opts.Limits.Layer, left: &l.left}
	lay, err := l.ses.Register(ctx, &counted{ctx, bounded, l.out}, parent, layer.RegisterOptions{Expected: id, Entries: l.opts.Limits.Entries})
	var many *layertar.EntriesError
	if errors.As(err, &many) {
		return nil, fmt.Errorf("%w; raise limits.entries to store it", err)
	}
	if err != nil {
		return nil, err
	}
	l.retained = append(l.retained, lay)
	proven := bounded.layer < l.opts.Limits.Layer
	if !proven && l.keeps(b) {
		if err := prove(bounded, id); err != nil {
			return nil, err
		}
		proven = true
	}
	if err := ahead.Close(); err != nil {
		return nil, err
	}
	if err := held.finish(); err != nil {
		return nil, err
	}
	if proven {
		if err := keep.whole(); err != nil {
			return nil, err
		}
		l.proven.add(id, b)
	}
	l.opts.Progress.Done(id)
	return lay, nil
}

// bounded fails when a layer, or all of them together, turn out longer than
// allowed.
type bounded struct {
	r      io.Reader
	limits Limits
	layer  int64 // what is left of limits.Layer
	left   *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.layer -= int64(n)
	*b.left -= int64(n)
	if b.layer < 0 {
		return 0, refuse("it has more than %d bytes decompressed; raise limits.layer to store it", b.limits.Layer)
	}
	if *b.left < 0 {
		return 0, refuse("all layers together have more than %d bytes decompressed; raise limits.load to store them", b.limits.Total)
	}
	return n, err
}
