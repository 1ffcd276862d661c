package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// endpoint is a repository on one server: the registry's own, or a mirror's.
type endpoint struct {
	opts  Options
	host  string // as a person knows it
	repo  name.Repository
	base  *http.Transport
	reach *reach
	plain bool

	mu     sync.Mutex
	client *http.Client
	scopes []string
}

// endpoints are where a repository may be, mirrors first.
func endpoints(repo reference.Named, opts Options) ([]*endpoint, error) {
	domain := reference.Domain(repo)
	var all []*endpoint
	for _, m := range opts.Hosts[domain].Mirrors {
		host, prefix, _ := strings.Cut(m, "/")
		e, err := newEndpoint(host, path.Join(prefix, reference.Path(repo)), opts)
		if err != nil {
			return nil, fmt.Errorf("mirror %s of %s: %w", m, domain, err)
		}
		all = append(all, e)
	}
	e, err := newEndpoint(domain, reference.Path(repo), opts)
	if err != nil {
		return nil, err
	}
	return append(all, e), nil
}

func newEndpoint(host, repository string, opts Options) (*endpoint, error) {
	set := opts.Hosts[host]
	e := &endpoint{opts: opts, host: host, plain: set.Insecure || isLoopback(host) && set.CA == ""}
	var how []name.Option
	if e.plain {
		how = append(how, name.Insecure)
	}
	reg, err := name.NewRegistry(host, how...)
	if err != nil {
		return nil, fmt.Errorf("registry %.100q: %w", host, err)
	}
	e.repo = reg.Repo(repository)
	at := &url.URL{Host: reg.RegistryStr()}
	e.reach = &reach{dial: opts.Dial, own: at.Hostname()}
	e.reach.near.Store(isLocal(at))
	e.base = &http.Transport{
		Proxy:               e.reach.proxy,
		DialContext:         e.reach.connect,
		TLSHandshakeTimeout: 15 * time.Second,
		MaxIdleConnsPerHost: opts.Downloads + 1,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
		// What is asked for is what a digest was made of.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: e.plain && set.CA == ""},
	}
	if set.CA != "" {
		if e.base.TLSClientConfig.RootCAs, err = vouchers(set.CA); err != nil {
			return nil, fmt.Errorf("registries.%s.ca: %w", host, err)
		}
	}
	return e, nil
}

// vouchers are the system's certificates and those in a file.
func vouchers(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return pool, nil
}

// connect shakes hands for some scopes, those of earlier calls included. Where
// that fails, all stays as it was.
func (e *endpoint) connect(ctx context.Context, scopes ...string) (*http.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := slices.Clone(e.scopes)
	for _, s := range scopes {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if e.client != nil && len(all) == len(e.scopes) {
		return e.client, nil
	}
	auth, err := authn.Resolve(ctx, e.opts.Keychain, e.repo)
	if err != nil {
		return nil, fmt.Errorf("credentials for %s: %w", e.host, err)
	}
	at := &url.URL{Host: e.repo.RegistryStr()}
	guarded := &guard{next: e.base, plain: e.plain, local: isLocal(at), private: private(at.Hostname()), idle: e.opts.Idle, agent: e.opts.UserAgent}
	var rt http.RoundTripper
	err = e.retry(ctx, func() (err error) {
		rt, err = transport.NewWithContext(ctx, e.repo.Registry, auth, guarded, slices.Clone(all))
		return err
	})
	if err != nil {
		return nil, err
	}
	e.client, e.scopes = &http.Client{Transport: rt, CheckRedirect: follow}, all
	return e.client, nil
}

// close ends connections that are idle.
func (e *endpoint) close() { e.base.CloseIdleConnections() }

// pull is the client to read with.
func (e *endpoint) pull(ctx context.Context) (*http.Client, error) {
	return e.connect(ctx, e.repo.Scope(transport.PullScope))
}

// url is where something of the repository is.
func (e *endpoint) url(kind, which string) string {
	return e.repo.Scheme() + "://" + e.repo.RegistryStr() + "/v2/" + e.repo.RepositoryStr() + "/" + kind + "/" + which
}

// retry does something again, after a while, as long as that may help.
func (e *endpoint) retry(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if !temporary(ctx, err) || n >= e.opts.Attempts {
			return err
		}
		if werr := e.opts.pause(ctx, n, err); werr != nil {
			return werr
		}
	}
}

// pause waits before another attempt: longer each time, and as long as the
// server asks for, if that is not too long.
func (o Options) pause(ctx context.Context, n int, err error) error {
	wait := min(o.Backoff<<min(n-1, 16), o.MaxBackoff)
	var status *statusError
	if errors.As(err, &status) && status.pause > wait {
		wait = min(status.pause, 2*o.MaxBackoff)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
