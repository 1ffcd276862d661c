package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
)

// reach makes an endpoint's connections. A name leads where whoever owns it
// likes: one that a registry sends us to may not lead to this machine, or to its
// link, unless the registry itself is there.
type reach struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	own     string      // the registry's host
	near    atomic.Bool // the registry is on this machine, or on its link
	proxies sync.Map    // by host; where those are is for the environment to say
}

// proxy is that of the environment, for a request.
func (r *reach) proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if u != nil {
		r.proxies.Store(u.Hostname(), true)
	}
	return u, err
}

func (r *reach) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := r.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || !localAddr(at.Addr()) || r.near.Load() {
		return conn, nil
	}
	if host == r.own {
		r.near.Store(true)
		return conn, nil
	}
	if _, is := r.proxies.Load(host); is {
		return conn, nil
	}
	conn.Close() // nothing was sent
	return nil, fmt.Errorf("%w: %.100q leads to %s, which only this machine can reach", errAstray, host, at.Addr())
}
