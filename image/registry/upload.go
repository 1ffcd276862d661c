package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/layer"
)

// current is the client as it was last connected.
func (e *endpoint) current() *http.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.client
}

// has asks whether the repository has a blob.
func (e *endpoint) has(ctx context.Context, d digest.Digest) (bool, error) {
	err := e.retry(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, e.url("blobs", d.String()), nil)
		if err != nil {
			return err
		}
		res, err := send(e.current(), req, http.StatusOK)
		if err != nil {
			return err
		}
		return res.Body.Close()
	})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// mount asks for a blob that another repository of the registry has. That it
// is not to be had so is no error.
func (e *endpoint) mount(ctx context.Context, d digest.Digest, from string) (bool, error) {
	named, err := reference.ParseNormalizedNamed(from)
	if err != nil || named.Name() == "" {
		return false, nil
	}
	source := e.repo.Registry.Repo(reference.Path(named))
	client, err := e.connect(ctx, source.Scope(transport.PullScope))
	var refused *transport.Error
	if errors.As(err, &refused) && ctx.Err() == nil {
		return false, nil // we may push here, and not read there
	}
	if err != nil {
		return false, err
	}
	query := url.Values{"mount": {d.String()}, "from": {source.RepositoryStr()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url("blobs", "uploads/")+"?"+query.Encode(), nil)
	if err != nil {
		return false, err
	}
	res, err := send(client, req, http.StatusCreated, http.StatusAccepted)
	var status *statusError
	if errors.As(err, &status) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mounted := res.StatusCode == http.StatusCreated
	if err := res.Body.Close(); err != nil || mounted {
		return mounted, err
	}
	// It began an upload instead, which is not gone on with.
	if at, err := res.Location(); err == nil {
		if req, err := http.NewRequestWithContext(ctx, http.MethodDelete, at.String(), nil); err == nil {
			if res, err := client.Do(req); err == nil {
				return false, res.Body.Close()
			}
		}
	}
	return false, nil
}

// upload sends a blob whole, from its beginning each time.
func (e *endpoint) upload(ctx context.Context, desc ocispec.Descriptor, from io.ReaderAt, advance func(int64)) error {
	return e.retry(ctx, func() error {
		sent := &advancing{advance: advance}
		err := e.uploadOnce(ctx, desc, from, sent)
		sent.end(err == nil)
		return err
	})
}

func (e *endpoint) uploadOnce(ctx context.Context, desc ocispec.Descriptor, from io.ReaderAt, sent *advancing) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url("blobs", "uploads/"), nil)
	if err != nil {
		return err
	}
	res, err := send(e.current(), req, http.StatusAccepted)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	at, err := res.Location()
	if err != nil {
		return refuse("the registry does not say where to upload to: %w", err)
	}
	query := at.Query()
	query.Set("digest", desc.Digest.String())
	at.RawQuery = query.Encode()
	body := func() (io.ReadCloser, error) {
		return io.NopCloser(io.TeeReader(io.NewSectionReader(from, 0, desc.Size), sent)), nil
	}
	first, _ := body()
	req, err = http.NewRequestWithContext(ctx, http.MethodPut, at.String(), first)
	if err != nil {
		return err
	}
	req.GetBody, req.ContentLength = body, desc.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err = send(e.current(), req, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// advancing counts what one attempt sends. A connection may go on reading after
// the server has answered, or hung up: that counts no more.
type advancing struct {
	mu      sync.Mutex
	advance func(int64)
	sent    int64
	ended   bool
}

func (a *advancing) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.sent += int64(len(p))
		a.advance(int64(len(p)))
	}
	return len(p), nil
}

// end takes back what was counted in vain.
func (a *advancing) end(well bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended = true; !well {
		a.advance(-a.sent)
	}
}

// compress writes a layer, compressed, to a file without a name. The bytes
// depend on the layer alone.
func (p *pusher) compress(ctx context.Context, chain layer.ChainID) (_ *os.File, desc ocispec.Descriptor, err error) {
	l, err := p.from.Layers.Get(chain)
	if err != nil {
		return nil, desc, err
	}
	defer func() {
		_, rerr := p.from.Layers.Release(context.WithoutCancel(ctx), l)
		err = errors.Join(err, rerr)
	}()
	tar, err := l.TarStream(ctx)
	if err != nil {
		return nil, desc, err
	}
	defer func() { err = errors.Join(err, tar.Close()) }()
	f, err := input.Nameless(p.push.TempDir)
	if err != nil {
		return nil, desc, fmt.Errorf("compress it %w", err)
	}
	hash := digest.Canonical.Digester()
	counted := &counting{w: io.MultiWriter(f, hash.Hash())}
	buffered := bufio.NewWriterSize(counted, 256<<10)
	gz := gzip.NewWriter(buffered)
	_, err = io.CopyBuffer(struct{ io.Writer }{gz}, &ended{ctx, tar}, make([]byte, 256<<10))
	for _, end := range []func() error{gz.Close, buffered.Flush} {
		if err == nil {
			err = end()
		}
	}
	if err != nil {
		return nil, desc, errors.Join(err, f.Close())
	}
	return f, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: hash.Digest(), Size: counted.n}, nil
}

// ended is a reader that ends with ctx.
type ended struct {
	ctx context.Context
	r   io.Reader
}

func (e *ended) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.r.Read(p)
}

type counting struct {
	w io.Writer
	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
