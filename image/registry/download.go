package registry

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
)

// Fetch downloads layers, several at once, so that they can be read without
// waiting. All are held to their sizes and digests. What comes is told to
// progress, and what an earlier attempt left is not asked for again.
func (s *Source) Fetch(ctx context.Context, layers []archive.Blob, progress archive.Progress) error {
	var wanted []archive.Blob
	seen, total := map[digest.Digest]bool{}, int64(0)
	for _, b := range layers {
		if b.Promise == nil || seen[b.Promise.Digest] {
			continue
		}
		seen[b.Promise.Digest] = true
		wanted = append(wanted, b)
		if total += b.Promise.Size; b.Promise.Size < 0 || total > s.opts.Spool {
			return refuse("its layers have more than %d bytes compressed; raise limits.spool to download them", s.opts.Spool)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, s.opts.Downloads)
	var all sync.WaitGroup
	for _, b := range wanted {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			progress.Start(b.DiffID, b.Promise.Size)
			_, err := s.layer(ctx, b.Promise.Digest, *b.Promise, func(n int64) { progress.Advance(b.DiffID, n) })
			if err != nil {
				cancel(fmt.Errorf("layer %s: %w", b.Promise.Digest, err)) // the first one is told
				return
			}
			progress.Done(b.DiffID)
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// layer has a layer downloaded, once.
func (s *Source) layer(ctx context.Context, d digest.Digest, desc ocispec.Descriptor, advance func(int64)) (*layerBlob, error) {
	s.mu.Lock()
	b, there := s.have[d]
	if !there {
		b = &layerBlob{size: desc.Size, done: make(chan struct{})}
		s.have[d] = b
	}
	s.mu.Unlock()
	if there {
		select {
		case <-b.done:
			return b, b.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if b.err = s.obtain(ctx, d, b, advance); b.err != nil {
		s.mu.Lock()
		delete(s.have, d)
		s.mu.Unlock()
	}
	close(b.done)
	return b, b.err
}

// obtain takes a blob that is kept, or downloads it.
func (s *Source) obtain(ctx context.Context, d digest.Digest, b *layerBlob, advance func(int64)) error {
	if f, err := s.to.Open(d); err == nil {
		if whole(ctx, f, d, b.size) {
			b.kept = f
			advance(b.size)
			return nil
		}
		if err := f.Close(); err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if err := s.to.Remove(d); err != nil {
			return err
		}
	}
	for {
		p, err := s.to.Begin(ctx, d)
		if err != nil {
			return err
		}
		ready, err := s.fill(ctx, d, b.size, p, advance)
		if err == nil && ready {
			b.partial = p
			return nil
		}
		if err := errors.Join(err, p.Close()); err != nil {
			return err
		}
		// Somebody else is at it: what comes of that is looked at again.
	}
}

// fill has a partial blob whole, and shared from then on. It is not ready if
// that is for somebody else to see to.
func (s *Source) fill(ctx context.Context, d digest.Digest, size int64, p *blobs.Partial, advance func(int64)) (ready bool, err error) {
	if !p.Shared() {
		if err := s.download(ctx, d, size, p, advance); err != nil {
			return false, err
		}
		ready, err := p.Share()
		if !ready {
			advance(-size)
		}
		return ready, err
	}
	v := d.Verifier()
	if _, err := io.Copy(v, &ended{ctx, p.Reader()}); err != nil {
		return false, err
	}
	switch {
	case !v.Verified(): // its writer has just given it up
		return false, s.opts.pause(ctx, 1, nil)
	case p.Have() != size:
		return false, refuse("%s: another download of it came to %d bytes, its descriptor says %d", d, p.Have(), size)
	}
	advance(size)
	return true, nil
}

// whole tells whether a file is the blob; not if ctx ends before that is known.
func whole(ctx context.Context, f *os.File, d digest.Digest, size int64) bool {
	fi, err := f.Stat()
	if err != nil || fi.Size() != size {
		return false
	}
	v := d.Verifier()
	_, err = io.Copy(v, &ended{ctx, io.NewSectionReader(f, 0, size)})
	return err == nil && v.Verified()
}

// download fills a partial blob from one server after the other.
func (s *Source) download(ctx context.Context, d digest.Digest, size int64, p *blobs.Partial, advance func(int64)) error {
	f := &filling{d: d, size: size, p: p, advance: advance}
	if err := f.resume(ctx); err != nil {
		return err
	}
	if f.p.Have() == size {
		if f.verified() {
			return nil
		}
		if err := f.restart(); err != nil {
			return err
		}
	}
	return s.each(ctx, func(e *endpoint) error {
		f.resumed = f.p.Have() > 0
		return f.from(ctx, e)
	})
}

// filling is a download under way.
type filling struct {
	d       digest.Digest
	size    int64
	p       *blobs.Partial
	hash    hash.Hash
	resumed bool // some of it is of an earlier run, or of another server
	advance func(int64)
	told    int64
}

// resume reads what there is, since the digest is of all.
func (f *filling) resume(ctx context.Context) error {
	f.hash = f.d.Algorithm().Hash()
	if f.p.Have() > f.size {
		return f.p.Reset()
	}
	if f.p.Have() == 0 {
		return nil
	}
	f.resumed = true
	n, err := io.Copy(f.hash, &ended{ctx, f.p.Reader()})
	f.tell(n)
	return err
}

func (f *filling) tell(n int64) {
	f.told += n
	f.advance(n)
}

func (f *filling) restart() error {
	f.hash.Reset()
	f.resumed = false
	f.tell(-f.told)
	return f.p.Reset()
}

func (f *filling) verified() bool {
	return digest.NewDigest(f.d.Algorithm(), f.hash) == f.d
}

// step is how much has to come for an attempt to count as none.
const step = 1 << 20

// from downloads what is missing from one server.
func (f *filling) from(ctx context.Context, e *endpoint) error {
	best := f.p.Have() // what is sent a second time brings nobody further
	for n := 1; ; {
		err := f.attempt(ctx, e)
		if err == nil && f.p.Have() == f.size {
			if f.verified() {
				return nil
			}
			err = refuse("%s: what came has another digest", f.d)
			again := f.resumed
			if rerr := f.restart(); rerr != nil {
				return rerr
			}
			if again {
				continue // it may be that part which was not of this blob
			}
		}
		if !temporary(ctx, err) {
			return err
		}
		if f.p.Have() >= best+step {
			best, n = f.p.Have(), 0
		}
		if n++; n > e.opts.Attempts {
			return err
		}
		if werr := e.opts.pause(ctx, max(n-1, 1), err); werr != nil {
			return werr
		}
	}
}

// attempt is one request, for what is missing.
func (f *filling) attempt(ctx context.Context, e *endpoint) error {
	client, err := e.pull(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(forBlob(ctx), http.MethodGet, e.url("blobs", f.d.String()), nil)
	if err != nil {
		return err
	}
	have := f.p.Have()
	if have > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(have, 10)+"-")
	}
	res, err := send(client, req, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if have > 0 && !continues(res, have) {
		if err := f.restart(); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return f.attempt(ctx, e)
		}
		have = 0
	} else if have == 0 && res.StatusCode != http.StatusOK {
		return refuse("%s: %s for all of it", f.d, printable(res.Status, maxSaid))
	}
	if n := res.ContentLength; n >= 0 && have+n != f.size {
		return refuse("%s: the server has %d bytes of it, its descriptor says %d", f.d, have+n, f.size)
	}
	return f.read(res.Body)
}

// continues reports whether an answer is the rest that was asked for.
func continues(res *http.Response, at int64) bool {
	return res.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(res.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(at, 10)+"-")
}

// read takes the body, and not a byte more than there may be.
func (f *filling) read(body io.Reader) error {
	buf := make([]byte, 128<<10)
	for {
		n, err := body.Read(buf)
		if f.p.Have()+int64(n) > f.size {
			return refuse("%s: more than the %d bytes that its descriptor says", f.d, f.size)
		}
		if n > 0 {
			f.hash.Write(buf[:n]) // a hash does not fail
			f.tell(int64(n))
			if _, werr := f.p.Write(buf[:n]); werr != nil {
				return fmt.Errorf("keep the download: %w", werr)
			}
		}
		if err == io.EOF {
			if f.p.Have() < f.size {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
