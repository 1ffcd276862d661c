package archive

import (
	"errors"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// Keeper is a file of an archive that can be kept without being copied.
type Keeper interface {
	input.File
	// Keep has the file kept, as the blob that it is.
	Keep() error
}

// compressed reports whether an archive promises a layer that is.
func (b blob) compressed() bool {
	if b.promise == nil {
		return false
	}
	kind, known := CompressionOf(b.promise.MediaType)
	return known && kind != input.None
}

// keeps reports whether a blob is to be kept, and is not yet.
func (l *loader) keeps(b blob) bool {
	if !l.opts.Keep || l.opts.Blobs == nil || !b.compressed() {
		return false
	}
	f, err := l.opts.Blobs.Open(b.promise.Digest)
	return err != nil || f.Close() != nil
}

// keeping is a file of an archive that is kept while it is read.
type keeping struct {
	io.Reader
	file input.File
	copy *blobs.Partial // nil if it need not be copied
	keep bool
}

// keep reads a blob so that it can be kept, if it is to be.
func (l *loader) keep(b blob, f input.File) (*keeping, error) {
	k := &keeping{Reader: f, file: f, keep: l.keeps(b)}
	if _, ok := f.(Keeper); ok || !k.keep {
		return k, nil
	}
	// A layer may come twice.
	if k.keep = l.firstToKeep(b.promise.Digest); !k.keep {
		return k, nil
	}
	// Whoever downloads it may be waiting for the root, which is ours now.
	var err error
	if k.copy, err = l.opts.Blobs.Claim(b.promise.Digest); err != nil {
		return nil, err
	}
	if k.keep = k.copy != nil; !k.keep {
		return k, nil
	}
	if err := k.copy.Reset(); err != nil {
		return nil, errors.Join(err, k.copy.Close())
	}
	k.Reader = io.TeeReader(f, k.copy)
	return k, nil
}

func (l *loader) firstToKeep(d digest.Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == nil {
		l.kept = map[digest.Digest]bool{}
	}
	first := !l.kept[d]
	l.kept[d] = true
	return first
}

// whole says that the blob was read to its end and is what it should be.
func (k *keeping) whole() error {
	switch file, ok := k.file.(Keeper); {
	case !k.keep:
		return nil
	case k.copy != nil:
		return k.copy.Keep()
	case ok:
		return file.Keep()
	}
	return nil
}

func (k *keeping) end() error {
	if k.copy == nil {
		return nil
	}
	return k.copy.Discard()
}

// prove reads a layer that is stored already and tells whether it is that one.
func prove(r io.Reader, id layer.DiffID) error {
	v := digest.Digest(id).Verifier()
	if _, err := io.Copy(v, r); err != nil {
		return err
	}
	if !v.Verified() {
		return refuse("%w", layer.ErrDigestMismatch)
	}
	return nil
}

// proofs are the blobs that were read to their ends and are the layers in whose
// places they are.
type proofs struct {
	mu  sync.Mutex
	all map[proof]bool
}

type proof struct {
	layer layer.DiffID
	blob  digest.Digest
}

func (s *proofs) add(id layer.DiffID, b blob) {
	if !b.compressed() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[proof]bool{}
	}
	s.all[proof{id, b.promise.Digest}] = true
}

// of are the places of an image's layers that are proven.
func (s *proofs) of(p *planned) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var places []int
	for i, id := range p.config.DiffIDs() {
		if s.all[proof{id, p.layers[i].promise.Digest}] {
			places = append(places, i)
		}
	}
	return places
}

// note records by which manifests the images came. One that has a layer
// uncompressed is of an archive, and no registry would be sent it.
func (l *loader) note(images []*planned) error {
	if l.opts.Blobs == nil {
		return nil
	}
	for _, p := range images {
		whole := p.from != nil
		for _, b := range p.layers {
			whole = whole && b.compressed()
		}
		if !whole {
			continue
		}
		r := blobs.Record{MediaType: p.from.mediaType, Manifest: string(p.from.raw), Proven: l.proven.of(p)}
		if err := l.opts.Blobs.Note(p.id.Digest(), r, l.opts.Repository); err != nil {
			return err
		}
	}
	return nil
}
