package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slowest is how many bytes have to move within Options.Idle.
	slowest = 1 << 10
	// patience is how many times Idle a server may take for an answer to begin:
	// some hash what they were sent first.
	patience = 5
	// maxAnswer bounds every answer that is not a blob, beside what is read of
	// it anyway.
	maxAnswer = 64 << 20
	// maxHops is how many redirections are followed.
	maxHops = 10
)

// guard is beneath everything that speaks to a server, whatever for.
type guard struct {
	next    http.RoundTripper
	plain   bool // http is allowed
	local   bool // the registry is on this machine, or on its link
	private bool // the registry is at a private address, or on this machine
	idle    time.Duration
	agent   string
}

type blobKey struct{}

// forBlob marks a request whose answer is as long as the caller says.
func forBlob(ctx context.Context) context.Context { return context.WithValue(ctx, blobKey{}, true) }

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !g.plain) {
		return nil, errPlain
	}
	at := undisguise(req.URL)
	if isLocal(at) && !g.local {
		return nil, fmt.Errorf("%w: to %.100q, which only this machine can reach", errAstray, at.Hostname())
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{cancel: cancel, ctx: ctx, window: g.idle}
	w.begin()
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", g.agent)
	if at != req.URL {
		out.URL, out.Host = at, ""
	}
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = &watchedBody{ReadCloser: req.Body, watch: w}
	}
	res, err := g.next.RoundTrip(out)
	if err != nil {
		w.end()
		return nil, w.told(err)
	}
	w.answered.Store(true)
	if g.private && res.StatusCode == http.StatusUnauthorized {
		disguise(res.Header)
	}
	body := &watchedBody{ReadCloser: res.Body, watch: w, answer: true, left: maxAnswer}
	if req.Context().Value(blobKey{}) != nil {
		body.left = 1<<63 - 1
	}
	res.Body = body
	return res, nil
}

// watch ends a request that stands still.
type watch struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	mu       sync.Mutex
	timer    *time.Timer // nil when it is over
	window   time.Duration
	moved    atomic.Int64
	waited   atomic.Int32
	answered atomic.Bool
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.window, w.tick)
}

func (w *watch) tick() {
	enough := w.moved.Swap(0) >= slowest
	if !enough && !w.answered.Load() {
		enough = w.waited.Add(1) < patience
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if enough && w.timer != nil {
		w.timer.Reset(w.window)
		return
	}
	w.cancel(fmt.Errorf("%w for %s", ErrIdle, w.window))
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	w.cancel(nil)
}

// told is an error of the request, or why we ended it.
func (w *watch) told(err error) error {
	if cause := context.Cause(w.ctx); err != nil && err != io.EOF && cause != nil && cause != context.Canceled {
		return cause
	}
	return err
}

// watchedBody is one direction of a request.
type watchedBody struct {
	io.ReadCloser
	watch  *watch
	answer bool
	left   int64
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.moved.Add(int64(n))
	if !b.answer {
		return n, err
	}
	if b.left -= int64(n); b.left < 0 {
		return 0, refuse("an answer of more than %d bytes", int64(maxAnswer))
	}
	return n, b.watch.told(err)
}

func (b *watchedBody) Close() error {
	if b.answer {
		b.watch.end()
	}
	return b.ReadCloser.Close()
}

// follow decides on redirections to other hosts; which hosts may be asked at
// all, the guard does.
func follow(req *http.Request, via []*http.Request) error {
	if len(via) >= maxHops {
		return fmt.Errorf("%w: more than %d in a row", errAstray, maxHops)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: from https to %.20q", errAstray, req.URL.Scheme)
	}
	return nil
}

// isLocal reports whether a URL names, by number, this machine or a neighbour
// on its link, where clouds have their metadata.
func isLocal(u *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return localAddr(addr)
}

func localAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr == metadata6
}

// metadata6 is where one cloud answers besides.
var metadata6 = netip.MustParseAddr("fd00:ec2::254")

// isLoopback reports whether a registry's host is this machine by name or
// number, where docker asks for no TLS.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if name == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}
