package registry

import (
	"context"
	"net"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bulkhead/bulkhead/image/archive"
)

// Options say how registries are reached. The zero value is the usual way.
type Options struct {
	// Hosts are what is set of registries, by their host as in references.
	Hosts map[string]Host
	// Keychain has the credentials, by default docker's config.json with its
	// helpers.
	Keychain authn.Keychain
	// UserAgent is what we call ourselves.
	UserAgent string
	// Downloads is how many blobs come or go at once, by default 3, as docker
	// has it.
	Downloads int
	// Idle is how long a server may send, or take, next to nothing before the
	// connection is given up, by default a minute.
	Idle time.Duration
	// Attempts is how often something is tried that may succeed the next time,
	// by default 6. Backoff is the first pause between two, by default half a
	// second; it doubles each time, up to MaxBackoff, by default 15 s.
	Attempts            int
	Backoff, MaxBackoff time.Duration
	// Dial, if not nil, connects in place of the net package.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Limits are those of archives. Spool bounds the layers of one pull,
	// compressed, by default 256 GiB.
	Limits archive.Limits
	Spool  int64
}

// Host is what is set of one registry.
type Host struct {
	// Mirrors are asked first, in their order, each as host[:port][/path].
	Mirrors []string
	// Insecure allows plain http, and certificates that nobody vouches for, as
	// they are on localhost and 127.0.0.0/8 unless there is a CA.
	Insecure bool
	// CA is a file of certificates that may vouch for the registry beside the
	// system's.
	CA string
}

func (o Options) fill() Options {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.UserAgent == "" {
		o.UserAgent = "bulkhead"
	}
	if o.Downloads <= 0 {
		o.Downloads = 3
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 15 * time.Second
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	if o.Limits.Manifest == 0 {
		o.Limits.Manifest = 4 << 20
	}
	if o.Spool == 0 {
		o.Spool = 256 << 30
	}
	return o
}
