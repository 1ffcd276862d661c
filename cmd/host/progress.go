package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/layer"
)

// progress shows how far a transfer is, until Close.
type progress interface {
	archive.Progress
	Close()
}

// progress chooses what a person gets to see: bars on a terminal; elsewhere
// lines, if asked for, or nothing.
func (a *app) progress(quiet, verbose bool) progress {
	switch {
	case !quiet && isTerminal(a.err):
		return &bars{all: mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(64)), byID: map[layer.DiffID]*mpb.Bar{}}
	case verbose && !quiet:
		return &progressLines{w: a.err, bytes: map[layer.DiffID]int64{}}
	}
	return noProgress{}
}

// bars are drawn on a terminal.
type bars struct {
	all  *mpb.Progress
	mu   sync.Mutex
	byID map[layer.DiffID]*mpb.Bar
}

func (b *bars) Start(id layer.DiffID, total int64) {
	counter := decor.Counters(decor.SizeB1000(0), "% .1f / % .1f")
	if total < 0 {
		counter = decor.Current(decor.SizeB1000(0), "% .1f")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byID[id] = b.all.AddBar(max(total, 0),
		mpb.PrependDecorators(decor.Name(shortID(id.String(), false)+": ")),
		mpb.AppendDecorators(decor.OnComplete(counter, "done")))
}

func (b *bars) bar(id layer.DiffID) *mpb.Bar {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byID[id]
}

func (b *bars) Advance(id layer.DiffID, n int64) {
	if bar := b.bar(id); bar != nil {
		bar.IncrInt64(n)
	}
}

func (b *bars) Done(id layer.DiffID) {
	if bar := b.bar(id); bar != nil {
		bar.SetTotal(-1, true)
	}
}

func (b *bars) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bar := range b.byID {
		bar.Abort(false) // has no effect on those that are complete
	}
	b.all.Wait()
}

// progressLines are one line for each layer that is done.
type progressLines struct {
	w     io.Writer
	mu    sync.Mutex
	bytes map[layer.DiffID]int64
}

func (p *progressLines) Start(layer.DiffID, int64) {}

func (p *progressLines) Advance(id layer.DiffID, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes[id] += n
}

func (p *progressLines) Done(id layer.DiffID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%s: %s done\n", shortID(id.String(), false), render.Size(p.bytes[id]))
}

func (*progressLines) Close() {}

type noProgress struct{}

func (noProgress) Start(layer.DiffID, int64)   {}
func (noProgress) Advance(layer.DiffID, int64) {}
func (noProgress) Done(layer.DiffID)           {}
func (noProgress) Close()                      {}
