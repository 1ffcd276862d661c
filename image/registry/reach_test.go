package registry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/registry"
)

// afar is a host that is not on this machine, for all that the client knows:
// connections to it go to the server. (The name is in the server's certificate.)
const afar = "example.com"

func (c *client) reach(address string) {
	c.opts.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// withTLS serves what s does, with a certificate, which is returned.
func (s *server) withTLS() (address string, certificate []byte) {
	s.t.Helper()
	h := httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	h.Config.ErrorLog = discard
	h.StartTLS()
	s.t.Cleanup(h.Close)
	return strings.TrimPrefix(h.URL, "https://"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
}

func TestACertificateHasToBeVouchedFor(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	address, certificate := s.withTLS()
	c.reach(address)
	_, err := c.pull(afar+"/app:1", nil)
	if err == nil || !strings.Contains(err.Error(), "registries.example.com.ca") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	c.opts.Hosts = map[string]registry.Host{afar: {CA: ca}}
	if _, err := c.pull(afar+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	c.want(img, afar+"/app:1", afar+"/app@"+c.digestOf(img))

	c = newClient(t)
	c.reach(address)
	c.opts.Hosts = map[string]registry.Host{afar: {Insecure: true}}
	if _, err := c.pull(afar+"/app:1", nil); err != nil {
		t.Error(err)
	}
}

func TestPlainHTTPIsSpokenOnlyWhereThatIsAllowed(t *testing.T) {
	s := newServer(t)
	s.image("app", "1", newSample(t, "one"))
	for _, host := range []string{afar, afar + ":5000", "10.1.2.3:5000", "192.168.1.1", "registry.local:5000"} {
		c := newClient(t)
		c.reach(s.host)
		s.asked = nil
		_, err := c.pull(host+"/app:1", nil)
		if err == nil || !strings.Contains(err.Error(), "registries."+host+".insecure") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", host, err)
		}
		if len(s.asked) != 0 {
			t.Errorf("%s: asked in the clear: %v", host, s.asked)
		}
		c.opts.Hosts = map[string]registry.Host{host: {Insecure: true}}
		if _, err := c.pull(host+"/app:1", nil); err != nil {
			t.Errorf("%s, allowed: %v", host, err)
		}
	}
}

func TestARegistryOfThisMachineWithACertificateIsNotSpokenToWithout(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	address, ca := certified(t, s)
	c.opts.Hosts = map[string]registry.Host{address: {CA: ca}, s.host: {CA: ca}}
	if _, err := c.pull(address+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	s.asked = nil
	if _, err := c.pull(s.host+"/app:1", nil); err == nil || len(s.asked) != 0 {
		t.Errorf("%v, asked in the clear: %v", err, s.asked)
	}
}

func TestARegistryCannotSendUsToThisMachine(t *testing.T) {
	for _, to := range []string{"https://127.0.0.1:1/x", "https://localhost/x", "https://169.254.169.254/latest", "https://[::1]/x", "http://" + afar + "/x", "https://[fe80::1]/x", "https://0.0.0.0/"} {
		s, c := newServer(t), newClient(t)
		img := newSample(t, "one")
		s.image("app", "1", img)
		address, ca := certified(t, s)
		c.opts.Hosts = map[string]registry.Host{afar: {CA: ca}}
		var dialed []string
		c.opts.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
			dialed = append(dialed, to)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if isBlob(r, img) {
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
				return
			}
			answer.ServeHTTP(w, r)
		}
		if _, err := c.pull(afar+"/app:1", nil); err == nil || !strings.Contains(err.Error(), "redirection refused") {
			t.Errorf("%s: %v", to, err)
		}
		for _, d := range dialed {
			if d != afar+":443" {
				t.Errorf("%s: dialed %s", to, d)
			}
		}
	}
}

func TestMirrorsAreAskedFirstAndTheRegistryAfterThem(t *testing.T) {
	img := newSample(t, noise(100<<10))
	layer := digest.FromBytes(img.packed[0]).String()
	for name, c := range map[string]struct {
		spoil  func(w http.ResponseWriter, r *http.Request, answer http.Handler)
		origin bool // the registry itself is asked for the layer
	}{
		"whole": {nil, false},
		"without the image": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/v2/") {
				return
			}
			http.NotFound(w, r)
		}, true},
		"out of order": {func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusBadGateway) }, true},
		"without the layer": {func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if isBlob(r, img) {
				http.NotFound(w, r)
				return
			}
			answer.ServeHTTP(w, r)
		}, true},
		"with another layer": {func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if isBlob(r, img) {
				data := []byte(strings.Repeat("x", len(img.packed[0])))
				w.Write(data)
				return
			}
			answer.ServeHTTP(w, r)
		}, true},
		"that breaks off": {func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if isBlob(r, img) && r.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusBadGateway)
			} else if isBlob(r, img) {
				cut(w, r, answer, 1000)
			} else {
				answer.ServeHTTP(w, r)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			mirror, s, cl := newServer(t), newServer(t), newClient(t)
			mirror.image("cache/app", "1", img)
			s.image("app", "1", img)
			mirror.between = c.spoil
			s.asked = nil
			cl.opts.Attempts = 2
			cl.opts.Hosts = map[string]registry.Host{s.host: {Mirrors: []string{mirror.host + "/cache"}}}
			if _, err := cl.pull(s.host+"/app:1", nil); err != nil {
				t.Fatal(err)
			}
			cl.want(img, s.host+"/app:1", s.host+"/app@"+cl.digestOf(img))
			if got := s.count("GET", layer) > 0; got != c.origin {
				t.Errorf("the registry was asked: %v", s.asked)
			}
		})
	}
}

func TestAMirrorIsNotPushedTo(t *testing.T) {
	mirror, s, c := newServer(t), newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	if _, err := c.pull(s.host+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	c.opts.Hosts = map[string]registry.Host{s.host: {Mirrors: []string{mirror.host}}}
	if _, _, err := c.push(img, s.host+"/app:2", ""); err != nil {
		t.Fatal(err)
	}
	if len(mirror.asked) != 0 {
		t.Errorf("asked: %v", mirror.asked)
	}
}

func TestCredentialsComeFromDockersFileAndItsHelpers(t *testing.T) {
	s := newServer(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	s.guard("me", "secret")
	bin := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\nread host\n[ \"$1 $host\" = 'get %s' ] || { echo 'credentials not found in native keychain'; exit 1; }\necho '{\"ServerURL\":\"x\",\"Username\":\"me\",\"Secret\":\"secret\"}'\n", s.host)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-test"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("HOME", t.TempDir())
	for file, want := range map[string]bool{
		`{}`: false,
		`{"auths":{"` + s.host + `":{"auth":"bWU6c2VjcmV0"}}}`:   true,
		`{"auths":{"` + s.host + `":{"auth":"bWU6d3Jvbmc="}}}`:   false,
		`{"auths":{"elsewhere":{"auth":"bWU6c2VjcmV0"}}}`:        false,
		`{"credHelpers":{"` + s.host + `":"test"}}`:              true,
		`{"credsStore":"test","auths":{"` + s.host + `":{}}}`:    true,
		`{"credsStore":"missing","auths":{"` + s.host + `":{}}}`: false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCKER_CONFIG", dir)
		c := newClient(t)
		c.opts.Keychain = nil
		_, err := c.pull(s.host+"/app:1", nil)
		if (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", file, err)
		}
		if strings.Contains(file, "auths") && !strings.Contains(file, "Store") && !want && !errors.Is(err, registry.ErrUnauthorized) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestATokenIsFetchedAndRenewed(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one", "two")
	s.image("app", "1", img)
	issued := 0
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if r.URL.Path == "/token" {
			if u, p, _ := r.BasicAuth(); u != "me" || p != "secret" || r.URL.Query().Get("scope") != "repository:app:pull" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			issued++
			fmt.Fprintf(w, `{"token":"t%d"}`, issued)
			return
		}
		s.mu.Lock()
		old := strings.Contains(r.URL.Path, "/blobs/") && issued == 1 // the first one has expired by now
		s.mu.Unlock()
		if got := r.Header.Get("Authorization"); issued == 0 || got != fmt.Sprintf("Bearer t%d", issued) || old {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+s.host+`/token",service="x",scope="repository:app:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer.ServeHTTP(w, r)
	}
	c.opts.Downloads = 1
	c.opts.Keychain = keys{s.host: {Username: "me", Password: "secret"}}
	if _, err := c.pull(s.host+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	if issued < 2 {
		t.Errorf("%d tokens", issued)
	}
}

// certified is the server's address with TLS, and the file of what its
// certificate is held against.
func certified(t *testing.T, s *server) (address, ca string) {
	t.Helper()
	address, certificate := s.withTLS()
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return address, ca
}
