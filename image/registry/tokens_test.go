package registry_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/bulkhead/bulkhead/image/registry"
)

// listener is a server at an address of this machine that notes who
// authenticates himself how.
type listener struct {
	host string
	mu   sync.Mutex
	auth []string
}

func listen(t *testing.T, address string, answer http.HandlerFunc) *listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &listener{host: l.Addr().String()}
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		how, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		s.auth = append(s.auth, how)
		s.mu.Unlock()
		answer(w, r)
	}))
	h.Listener.Close()
	h.Listener, h.Config.ErrorLog = l, discard
	h.Start()
	t.Cleanup(h.Close)
	return s
}

// The credentials are for whoever issues tokens, as with docker: the registry
// sees tokens only, and where it sends us for a blob they see nothing.
func TestCredentialsGoToTheTokenServerAndTokensToTheRegistry(t *testing.T) {
	s := newServer(t)
	img := newSample(t, "one", "two")
	s.image("app", "1", img)
	for _, realm := range []string{"127.0.0.2", "127.0.0.1", "localhost"} {
		t.Run(realm, func(t *testing.T) {
			c := newClient(t)
			tokens := listen(t, strings.Replace(realm, "localhost", "127.0.0.1", 1)+":0", func(w http.ResponseWriter, r *http.Request) {
				if u, p, _ := r.BasicAuth(); u != "me" || p != "secret" || r.URL.Path != "/issue" || r.URL.Query().Get("service") != "x" || r.Host == "" || strings.Contains(r.Host, "invalid") {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				fmt.Fprint(w, `{"token":"t"}`)
			})
			_, port, _ := net.SplitHostPort(tokens.host)
			storage := listen(t, "127.0.0.3:0", s.registry.ServeHTTP)
			front := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("Authorization") != "Bearer t":
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s:%s/issue",service="x"`, realm, port))
					w.WriteHeader(http.StatusUnauthorized)
				case isBlob(r, img):
					http.Redirect(w, r, "http://"+storage.host+r.URL.Path, http.StatusTemporaryRedirect)
				default:
					s.registry.ServeHTTP(w, r)
				}
			})
			c.opts.Keychain = keys{front.host: {Username: "me", Password: "secret"}}
			if _, err := c.pull(front.host+"/app:1", nil); err != nil {
				t.Fatal(err)
			}
			for _, h := range []struct {
				*listener
				only string
			}{{tokens, "Basic"}, {storage, ""}} {
				if len(h.auth) == 0 || strings.Trim(strings.Join(h.auth, ""), h.only) != "" {
					t.Errorf("%s was shown %q", h.host, h.auth)
				}
			}
			for _, how := range front.auth {
				if how != "" && how != "Bearer" {
					t.Errorf("the registry was shown %q", front.auth)
				}
			}
		})
	}
}

func TestATokenServerCannotPassCredentialsOn(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.image("app", "1", newSample(t, "one"))
	other := listen(t, "127.0.0.3:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"t"}`) })
	tokens := listen(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+other.host+"/", http.StatusTemporaryRedirect)
	})
	for _, auth := range []authn.AuthConfig{{Username: "me", Password: "secret"}, {IdentityToken: "secret"}} {
		s.between = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+tokens.host+`/",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		c.opts.Keychain = keys{s.host: auth}
		if _, err := c.pull(s.host+"/app:1", nil); err == nil {
			t.Error("there was a token")
		}
	}
	if len(tokens.auth) == 0 || len(other.auth) != 0 {
		t.Errorf("the token server was shown %q, the other %q", tokens.auth, other.auth)
	}
}

// A registry that anybody may run has no business in our network.
func TestATokenIsNotAskedOfAnAddressThatOnlyWeCanReach(t *testing.T) {
	s := newServer(t)
	address, certificate := s.withTLS()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	inside := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"t"}`) })
	for _, realm := range []string{inside.host, "localhost", "169.254.169.254", "10.0.0.1", "10.0.0.1.private.bulkhead.invalid", "127.0.0.1.private.bulkhead.invalid", "[::1]"} {
		c := newClient(t)
		c.opts.Hosts = map[string]registry.Host{afar: {CA: ca}}
		c.opts.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
			if to != afar+":443" && to != "10.0.0.1:443" { // asked by its disguise: that is no worse than a redirection there
				t.Errorf("%s: dialed %s", realm, to)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		s.between = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://`+realm+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		c.opts.Keychain = keys{afar: authn.AuthConfig{Username: "me", Password: "secret"}}
		if _, err := c.pull(afar+"/app:1", nil); err == nil {
			t.Errorf("%s: there was a token", realm)
		}
	}
	if len(inside.auth) != 0 {
		t.Errorf("shown: %q", inside.auth)
	}
}
