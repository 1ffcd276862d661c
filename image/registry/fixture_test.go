package registry_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	served "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/internal/plaindriver"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/image/registry"
	"github.com/bulkhead/bulkhead/layer"
)

// server is a registry in this process. Before it answers, between may.
type server struct {
	registry http.Handler
	mu       sync.Mutex
	t        testing.TB
	host     string
	between  func(w http.ResponseWriter, r *http.Request, answer http.Handler)
	asked    []string // method and path of each request
}

var discard = log.New(io.Discard, "", 0)

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, registry: served.New(served.Logger(discard))}
	h := httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	h.Config.ErrorLog = discard
	h.Start()
	t.Cleanup(h.Close)
	s.host = strings.TrimPrefix(h.URL, "http://")
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if s.between != nil {
		s.between(w, r, s.registry)
		return
	}
	s.registry.ServeHTTP(w, r)
}

// count is how many requests have that method, and that in their path.
func (s *server) count(method, part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, a := range s.asked {
		if strings.HasPrefix(a, method+" ") && strings.Contains(a, part) {
			n++
		}
	}
	return n
}

func (s *server) send(method, url, contentType string, body []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, "http://"+s.host+url, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(res.Body)
		s.t.Fatalf("%s %s: %s %s", method, url, res.Status, text)
	}
}

func (s *server) blob(repo, mediaType string, data []byte) ocispec.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(data)
	s.send("POST", "/v2/"+repo+"/blobs/uploads/?digest="+d.String(), "application/octet-stream", data)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(data))}
}

func (s *server) manifest(repo, tag, mediaType string, m any) ocispec.Descriptor {
	s.t.Helper()
	data := asJSON(s.t, m)
	s.send("PUT", "/v2/"+repo+"/manifests/"+tag, mediaType, data)
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
}

// image stores a sample by a tag.
func (s *server) image(repo, tag string, img sample) ocispec.Descriptor {
	s.t.Helper()
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: s.blob(repo, ocispec.MediaTypeImageConfig, img.config)}
	m.SchemaVersion = 2
	for _, data := range img.packed {
		m.Layers = append(m.Layers, s.blob(repo, ocispec.MediaTypeImageLayerGzip, data))
	}
	d := s.manifest(repo, tag, ocispec.MediaTypeImageManifest, m)
	d.Platform = &ocispec.Platform{OS: "linux", Architecture: img.arch}
	return d
}

// sample is an image, its layers plain and compressed.
type sample struct {
	arch   string
	config []byte
	layers [][]byte
	packed [][]byte
}

func (s sample) id() image.ID { return image.IDOf(s.config) }

// newSample makes an image whose layers have one file each, of that text.
func newSample(t testing.TB, texts ...string) sample { return sampleFor(t, runtime.GOARCH, texts...) }

func sampleFor(t testing.TB, arch string, texts ...string) sample {
	t.Helper()
	s := sample{arch: arch}
	ids := []digest.Digest{}
	for i, text := range texts {
		var plain, packed bytes.Buffer
		tw := tar.NewWriter(&plain)
		hdr := &tar.Header{Name: fmt.Sprintf("file%d", i), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1, 0)}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, text); err != nil {
			t.Fatal(err)
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		gz := gzip.NewWriter(&packed)
		if _, err := gz.Write(plain.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := gz.Close(); err != nil {
			t.Fatal(err)
		}
		s.layers = append(s.layers, plain.Bytes())
		s.packed = append(s.packed, packed.Bytes())
		ids = append(ids, digest.FromBytes(plain.Bytes()))
	}
	s.config = asJSON(t, map[string]any{"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": ids}})
	return s
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// client is a root and how it reaches registries.
type client struct {
	t    testing.TB
	root string
	to   archive.Stores
	opts registry.Options
	load archive.LoadOptions
}

func newClient(t testing.TB) *client {
	t.Helper()
	c := &client{t: t, root: t.TempDir(), opts: registry.Options{Keychain: keys{}, Backoff: time.Microsecond, MaxBackoff: time.Microsecond}}
	layers, err := plaindriver.OpenLayers(context.Background(), c.root, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { layers.Close() })
	images, err := image.Open(context.Background(), image.Options{Root: c.root, DriverName: plaindriver.Name, Layers: layers})
	if err != nil {
		t.Fatal(err)
	}
	c.to = archive.Stores{Images: images, Layers: layers}
	return c
}

// keys are credentials by host.
type keys map[string]authn.AuthConfig

func (k keys) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if auth, ok := k[r.RegistryStr()]; ok {
		return authn.FromConfig(auth), nil
	}
	return authn.Anonymous, nil
}

func ref(t testing.TB, s string) reference.Named {
	t.Helper()
	named, err := refs.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return named
}

// pull pulls an image the whole way.
func (c *client) pull(name string, platform *ocispec.Platform) (p registry.Pulled, err error) {
	c.t.Helper()
	return c.pullWith(context.Background(), name, platform)
}

func (c *client) pullWith(ctx context.Context, name string, platform *ocispec.Platform) (p registry.Pulled, err error) {
	c.t.Helper()
	src, err := registry.Open(ctx, ref(c.t, name), blobs.Of(c.root), c.opts)
	if err != nil {
		return p, err
	}
	defer func() {
		if cerr := src.Close(); err == nil {
			err = cerr
		}
	}()
	load := c.load
	load.Limits, load.Blobs = c.opts.Limits, blobs.Of(c.root)
	pull, err := registry.NewPull(src, platform, load)
	if err != nil {
		return p, err
	}
	there := c.to.Layers.Map()
	if err := pull.Download(ctx, func(id layer.ChainID) bool { return there[id] != nil }, silent{}); err != nil {
		return p, err
	}
	return pull.Store(ctx, c.to, silent{})
}

type silent struct{}

func (silent) Start(layer.DiffID, int64)   {}
func (silent) Advance(layer.DiffID, int64) {}
func (silent) Done(layer.DiffID)           {}

// want fails unless the image is stored whole, by those names.
func (c *client) want(s sample, names ...string) {
	c.t.Helper()
	img, err := c.to.Images.Get(s.id())
	if err != nil {
		c.t.Fatal(err)
	}
	for i, chain := range img.Chain() {
		l, err := c.to.Layers.Get(chain)
		if err != nil {
			c.t.Fatal(err)
		}
		r, err := l.TarStream(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, s.layers[i]) {
			c.t.Errorf("layer %d comes out different (%v)", i, err)
		}
		r.Close()
		if _, err := c.to.Layers.Release(context.Background(), l); err != nil {
			c.t.Fatal(err)
		}
	}
	var got []string
	for _, n := range c.to.Images.References(s.id()) {
		got = append(got, n.String())
	}
	if fmt.Sprint(got) != fmt.Sprint(names) {
		c.t.Errorf("names %v, want %v", got, names)
	}
}

// wantNothing fails if anything was stored.
func (c *client) wantNothing() {
	c.t.Helper()
	if n, m := len(c.to.Images.IDs()), len(c.to.Layers.Map()); n+m != 0 {
		c.t.Errorf("%d images and %d layers were stored", n, m)
	}
}

var zeroTime time.Time

// digestOf is the digest that an image is known by here.
func (c *client) digestOf(s sample) string {
	c.t.Helper()
	for _, n := range c.to.Images.References(s.id()) {
		if d, ok := n.(reference.Canonical); ok {
			return d.Digest().String()
		}
	}
	c.t.Fatal("no digest")
	return ""
}
