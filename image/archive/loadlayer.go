package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// atOnce is how many layers of an image are unpacked at a time, where the driver
// says that they can: more keep no more processors busy.
const atOnce = 4

// layers registers the layers of one image, lowest first.
func (l *loader) layers(ctx context.Context, p *planned) error {
	parallel := 1
	if graphdriver.CapabilitiesOf(l.Layers.Driver()).DiffIndependentOfParent {
		parallel = min(atOnce, runtime.GOMAXPROCS(0))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	diffs := p.config.DiffIDs()
	errs := make([]error, len(diffs))
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	var parent layer.ChainID
	for i, id := range diffs {
		places <- struct{}{} // those beneath have theirs, so it comes free
		if ctx.Err() != nil {
			break
		}
		on := parent
		wg.Go(func() {
			defer func() { <-places }()
			if err := l.layer(ctx, p.layers[i], on, id); err != nil {
				errs[i] = fmt.Errorf("image %s: layer %d of %d (%s): %w", p.id.Short(), i+1, len(p.layers), id, err)
				cancel()
			}
		})
		parent = layer.NextChainID(parent, id)
	}
	wg.Wait()
	return cause(ctx, errs)
}

// cause is the error that had the others end.
func cause(ctx context.Context, errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// layer registers one layer. One that is stored already is not read again,
// except to hold the archive to what it promises of it.
func (l *loader) layer(ctx context.Context, b blob, parent layer.ChainID, id layer.DiffID) (err error) {
	if b.absent || l.opts.SkipStored && !l.keeps(b) {
		if lay, err := l.ses.Get(layer.NextChainID(parent, id)); err == nil {
			l.retain(lay)
			return nil
		}
	}
	f, err := l.in.OpenLinked(b.name)
	if err != nil {
		return err
	}
	defer f.Close()
	l.opts.Progress.Start(id, f.Size())
	keep, err := l.keep(b, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, keep.end()) }()
	watch := &watched{ctx: ctx, r: keep, id: id, progress: l.opts.Progress}
	held, err := hold(watch, b.promise, f.Size())
	if err != nil {
		return err
	}
	tar, kind, err := l.unpacked(held)
	if err != nil {
		return err
	}
	defer tar.Close()
	if err := checkCompression(b.promise, kind); err != nil {
		return err
	}
	reopened := false
	lay, err := l.ses.Register(ctx, tar, parent, layer.RegisterOptions{
		Expected: id, Entries: l.opts.Limits.Entries,
		Reopen: func(context.Context) (io.ReadCloser, error) {
			reopened = true
			return l.again(b)
		},
	})
	var many *layertar.EntriesError
	if errors.As(err, &many) {
		return fmt.Errorf("%w; raise limits.entries to store it", err)
	}
	if err != nil {
		return err
	}
	l.retain(lay)
	proven := tar.begun() && !reopened // else it was another reading that was right
	if !tar.begun() && l.keeps(b) {
		if err := prove(tar, id); err != nil {
			return err
		}
		proven = true
	}
	if err := tar.Close(); err != nil {
		return err
	}
	if err := held.finish(); err != nil {
		return err
	}
	if proven {
		if err := keep.whole(); err != nil {
			return err
		}
		l.proven.add(id, b)
	}
	l.opts.Progress.Done(id)
	return nil
}

func (l *loader) retain(lay layer.Layer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retained = append(l.retained, lay)
}

// again opens a layer that has been read in part. What the archive promises of
// it is held against the first reading.
func (l *loader) again(b blob) (io.ReadCloser, error) {
	f, err := l.in.OpenLinked(b.name)
	if err != nil {
		return nil, err
	}
	tar, _, err := l.unpacked(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &unpacked{tar.Reader, tar.bounded, func() error { return errors.Join(tar.Close(), f.Close()) }}, nil
}

// unpacked is a layer's archive, decompressed in the background and no longer
// than may be.
type unpacked struct {
	io.Reader
	bounded *bounded
	close   func() error
}

// begun tells whether any of it was read.
func (u *unpacked) begun() bool { return u.bounded.layer < u.bounded.limits.Layer }

// Close ends the reading in the background. It may be called again.
func (u *unpacked) Close() error { return u.close() }

func (l *loader) unpacked(r io.Reader) (*unpacked, input.Compression, error) {
	tar, kind, err := input.Decompress(r, l.opts.Limits.Window)
	if err != nil {
		return nil, kind, err
	}
	ahead := readAhead(tar)
	bounded := &bounded{r: ahead, limits: l.opts.Limits, layer: l.opts.Limits.Layer, left: &l.left}
	shut := sync.OnceValue(func() error { return errors.Join(ahead.Close(), tar.Close()) })
	return &unpacked{&counted{bounded, l.out}, bounded, shut}, kind, nil
}

// bounded fails when a layer, or all of them together, turn out longer than
// allowed.
type bounded struct {
	r      io.Reader
	limits Limits
	layer  int64 // what is left of limits.Layer
	left   *atomic.Int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.layer -= int64(n)
	left := b.left.Add(-int64(n))
	if b.layer < 0 {
		return 0, refuse("it has more than %d bytes decompressed; raise limits.layer to store it", b.limits.Layer)
	}
	if left < 0 {
		return 0, refuse("all layers together have more than %d bytes decompressed; raise limits.load to store them", b.limits.Total)
	}
	return n, err
}
