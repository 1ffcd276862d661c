package registry

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// go-containerregistry asks no server for a token that is named by a private
// address, lest a registry that anybody may run send us about in our own
// network. A registry that is itself at such an address, as are those of a
// company or of a developer's machine, often has its token server beside it, on
// another port or host. For these the address is given to it as a name, which
// the guard turns back.
const privately = ".private.bulkhead.invalid"

// private tells whether a host is named by an address of a private network, or
// of this machine.
func private(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Zone() == "" && (addr.Unmap().IsPrivate() || addr.Unmap().IsLoopback())
}

// disguise gives names to the token servers of an answer that are at private
// addresses.
func disguise(header http.Header) {
	for i, value := range header.Values("WWW-Authenticate") {
		before, realm, after, ok := cutRealm(value)
		if !ok {
			continue
		}
		u, err := url.Parse(realm)
		if err != nil || !private(u.Hostname()) || u.Hostname() == "localhost" {
			continue
		}
		name := strings.ReplaceAll(u.Hostname(), ":", "-") + privately
		if port := u.Port(); port != "" {
			name += ":" + port
		}
		u.Host = name
		header.Values("WWW-Authenticate")[i] = before + u.String() + after
	}
}

// cutRealm finds the token server in a challenge.
func cutRealm(value string) (before, realm, after string, ok bool) {
	const begins = `realm="`
	for i := 0; i+len(begins) <= len(value); i++ {
		if at := i + len(begins); strings.EqualFold(value[i:at], begins) {
			realm, _, ok = strings.Cut(value[at:], `"`)
			return value[:at], realm, value[at+len(realm):], ok
		}
	}
	return "", "", "", false
}

// undisguise turns such a name back into the address; other URLs stay as they
// are.
func undisguise(u *url.URL) *url.URL {
	host, is := strings.CutSuffix(u.Hostname(), privately)
	if !is {
		return u
	}
	real := *u
	if real.Host = host; strings.Contains(host, "-") { // IPv6
		real.Host = "[" + strings.ReplaceAll(host, "-", ":") + "]"
	}
	if port := u.Port(); port != "" {
		real.Host += ":" + port
	}
	return &real
}
