package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/input"
)

// maxDocuments bounds what is held of manifests and configurations.
const maxDocuments = 64 << 20

// Source is one image of a registry, or the images of an index for several
// platforms, as an archive: an OCI layout whose files are fetched when they
// are read. Documents are fetched once and held; layers are downloaded to
// files beneath a root.
type Source struct {
	ctx  context.Context // of Open: an archive's files have none of their own
	ref  reference.Named
	opts Options
	to   *blobs.Store
	from []*endpoint

	mu    sync.Mutex
	top   ocispec.Descriptor
	known map[digest.Digest]known
	docs  map[digest.Digest][]byte
	held  int64
	have  map[digest.Digest]*layerBlob
}

// known is what a document says of another, or of a layer.
type known struct {
	desc ocispec.Descriptor
	kind string // manifests or blobs, as in a registry's paths
}

// Open asks for an image. ref has a tag or a digest; without either it is
// "latest". Layers come to the root's blobs when they are needed; ctx ends all
// that the source does.
//
// Errors: ErrUnauthorized, ErrNotFound, input.ErrRefused for what the registry
// sends.
func Open(ctx context.Context, ref reference.Named, to *blobs.Store, opts Options) (*Source, error) {
	opts = opts.fill()
	from, err := endpoints(ref, opts)
	if err != nil {
		return nil, err
	}
	s := &Source{
		ctx: ctx, ref: reference.TagNameOnly(ref), opts: opts, to: to, from: from,
		known: map[digest.Digest]known{}, docs: map[digest.Digest][]byte{}, have: map[digest.Digest]*layerBlob{},
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open fetches the manifest or index that the reference names.
func (s *Source) open(ctx context.Context) error {
	which, want := "", digest.Digest("")
	if canonical, ok := s.ref.(reference.Canonical); ok {
		want = canonical.Digest()
		which = want.String()
	} else if tagged, ok := s.ref.(reference.Tagged); ok {
		which = tagged.Tag()
	}
	err := s.each(ctx, func(e *endpoint) error {
		data, header, err := e.document(ctx, "manifests", which, acceptable, s.opts.Limits.Manifest)
		if err != nil {
			return err
		}
		d, err := describe(data, header.Get("Content-Type"), want)
		if err != nil {
			return err
		}
		s.top = d
		return s.learn(d, "manifests", data)
	})
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s: %w", reference.FamiliarString(s.ref), err)
	}
	return err
}

// each asks one server after the other until one has an answer. What the last
// one says, which is the registry itself, is what is told.
func (s *Source) each(ctx context.Context, ask func(*endpoint) error) error {
	var last error
	for _, e := range s.from {
		err := ask(e)
		if err == nil {
			return nil
		}
		if last = explain(e.host, err); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return last
}

// Digest is what the registry calls the image by: the digest of the manifest,
// or of the index, that the reference names.
func (s *Source) Digest() digest.Digest { return s.top.Digest }

// Ref is the reference that was opened, with its tag or digest.
func (s *Source) Ref() reference.Named { return s.ref }

// Open gives the index and the documents that it leads to. See input.Archive.
func (s *Source) Open(file string) (input.File, error) {
	if file == "index.json" {
		data, err := s.index()
		return newDocument(int64(len(data)), func() ([]byte, error) { return data, err }), err
	}
	d, what, err := s.find(file)
	if err != nil {
		return nil, err
	}
	return newDocument(what.desc.Size, func() ([]byte, error) { return s.document(d, what) }), nil
}

// OpenLinked gives layers, which are downloaded if they are not yet.
func (s *Source) OpenLinked(file string) (input.File, error) {
	d, what, err := s.find(file)
	if err != nil {
		return nil, err
	}
	b, err := s.layer(s.ctx, d, what.desc, func(int64) {})
	if err != nil {
		return nil, err
	}
	return b.open()
}

// find is what was said of a blob by its name in an OCI layout.
func (s *Source) find(file string) (digest.Digest, known, error) {
	algorithm, hex, _ := strings.Cut(strings.TrimPrefix(file, "blobs/"), "/")
	d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex)
	s.mu.Lock()
	defer s.mu.Unlock()
	what, ok := s.known[d]
	if !ok {
		return "", known{}, refuse("%.200q: %w", file, input.ErrMissing)
	}
	return d, what, nil
}

// Close removes what was downloaded, but for what is to go on another time,
// and ends the connections.
func (s *Source) Close() error {
	s.mu.Lock()
	have := s.have
	s.have = map[digest.Digest]*layerBlob{}
	s.mu.Unlock()
	var errs []error
	for _, b := range have {
		errs = append(errs, b.close())
	}
	for _, e := range s.from {
		e.close()
	}
	return errors.Join(errs...)
}

// newDocument is a file that is fetched when it is first read, so that one
// that is too long is refused before.
func newDocument(size int64, fetch func() ([]byte, error)) input.File {
	return &documentFile{size: size, fetch: fetch}
}

type documentFile struct {
	size  int64
	fetch func() ([]byte, error)
	data  io.Reader
}

func (f *documentFile) Size() int64 { return f.size }

func (f *documentFile) Read(p []byte) (int, error) {
	if f.data == nil {
		data, err := f.fetch()
		if err != nil {
			return 0, err
		}
		f.data = strings.NewReader(string(data))
	}
	return f.data.Read(p)
}

func (*documentFile) Close() error { return nil }

var _ input.Archive = (*Source)(nil)

// layerBlob is a layer that was downloaded, or that was kept.
type layerBlob struct {
	size    int64
	partial *blobs.Partial // locked, nil for one that was kept
	kept    *os.File
	done    chan struct{} // closed when it is there, or err is
	err     error
	spent   bool // it is stored: it need not go on another time
}

func (b *layerBlob) open() (input.File, error) {
	if b.kept != nil {
		return sectionFile{io.NewSectionReader(b.kept, 0, b.size), nil}, nil
	}
	return sectionFile{b.partial.Reader(), b.partial}, nil
}

func (b *layerBlob) close() error {
	<-b.done
	switch {
	case b.kept != nil:
		return b.kept.Close()
	case b.partial == nil:
		return nil
	case b.spent:
		return b.partial.Discard()
	}
	return b.partial.Close()
}

// sectionFile reads one of them.
type sectionFile struct {
	*io.SectionReader
	partial *blobs.Partial
}

func (sectionFile) Close() error { return nil }

// Keep makes archive.Load keep it where it is.
func (f sectionFile) Keep() error {
	if f.partial == nil {
		return nil
	}
	return f.partial.Keep()
}
