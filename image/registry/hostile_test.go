package registry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/registry"
)

func TestDocumentsWithoutEndAreRefused(t *testing.T) {
	for _, part := range []string{"/manifests/", "/blobs/", "/v2/"} {
		s, c := newServer(t), newClient(t)
		img := newSample(t, "one")
		s.image("app", "1", img)
		c.opts.Limits.Manifest = 1 << 20
		s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if strings.HasSuffix(r.URL.Path, part) || part != "/v2/" && strings.Contains(r.URL.Path, part) && (part != "/blobs/" || strings.HasSuffix(r.URL.Path, img.id().Hex())) {
				endless(w)
				return
			}
			answer.ServeHTTP(w, r)
		}
		_, err := c.pull(s.host+"/app:1", nil)
		if part == "/v2/" {
			continue // what greets us is passed over, as far as it is read
		}
		if !errors.Is(err, input.ErrRefused) {
			t.Errorf("%s: %v", part, err)
		}
		c.wantNothing()
	}
}

func TestAManifestThatIsNotWhatWasAskedForIsRefused(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.image("app", "1", newSample(t, "one"))
	d := s.image("app", "2", newSample(t, "two"))
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		r.URL.Path = strings.Replace(r.URL.Path, "/manifests/"+d.Digest.String(), "/manifests/1", 1)
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app@"+d.Digest.String(), nil); !errors.Is(err, input.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestAConfigurationThatIsAnotherIsRefused(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if strings.HasSuffix(r.URL.Path, img.id().Hex()) {
			w.Write([]byte(strings.Replace(string(img.config), `"linux"`, `"Linux"`, 1)))
			return
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, input.ErrRefused) {
		t.Errorf("%v", err)
	}
	c.wantNothing()
}

func TestWhatIsNoManifestIsRefused(t *testing.T) {
	for _, body := range []string{"", "null", "[]", "{}", "<html>", `{"mediaType":"text/plain"}`, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`,
		`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
		`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"x","size":-1}]}`,
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"../../etc/passwd","size":3}}`,
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:` + strings.Repeat("0", 64) + `","size":9000000000}}`,
		strings.Repeat("[", 100000)} {
		s, c := newServer(t), newClient(t)
		s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				io.WriteString(w, body)
				return
			}
			answer.ServeHTTP(w, r)
		}
		if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, input.ErrRefused) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
			t.Errorf("%.60q: %v", body, err)
		}
		c.wantNothing()
	}
}

func TestAServerThatStandsStillIsNotWaitedFor(t *testing.T) {
	for name, stall := range map[string]func(w http.ResponseWriter, gone <-chan struct{}){
		"before it answers": func(_ http.ResponseWriter, gone <-chan struct{}) { <-gone },
		"in the middle": func(w http.ResponseWriter, gone <-chan struct{}) {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			<-gone
		},
		"nearly": func(w http.ResponseWriter, gone <-chan struct{}) {
			for tick := time.NewTicker(time.Millisecond); ; {
				w.Write([]byte("x"))
				w.(http.Flusher).Flush()
				select {
				case <-gone:
					tick.Stop()
					return
				case <-tick.C:
				}
			}
		},
	} {
		for _, part := range []string{"manifests", "blobs"} {
			t.Run(name+", "+part, func(t *testing.T) {
				s, c := newServer(t), newClient(t)
				img := newSample(t, noise(1<<20))
				s.image("app", "1", img)
				c.opts.Attempts, c.opts.Idle = 1, 100*time.Millisecond
				s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
					if strings.Contains(r.URL.Path, "/"+part+"/") {
						stall(w, r.Context().Done())
						return
					}
					answer.ServeHTTP(w, r)
				}
				if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, registry.ErrIdle) {
					t.Errorf("%v", err)
				}
				c.wantNothing()
			})
		}
	}
}

func TestPullEndsWhenItIsCancelled(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one", "two", "three", "four", "five")
	s.image("app", "1", img)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	var cancelled atomic.Bool // requests of the pull may still be on their way
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if isBlob(r, img) && !cancelled.Load() {
			cancel()
			<-r.Context().Done()
			return
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pullWith(ctx, s.host+"/app:1", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	c.wantNothing()
	cancelled.Store(true)
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+4 && time.Now().Before(end); {
		runtime.Gosched() // connections of the server end by themselves
	}
	if n := runtime.NumGoroutine(); n > before+4 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if _, err := c.pull(s.host+"/app:1", nil); err != nil { // nothing is locked
		t.Error(err)
	}
}

func TestFailuresThatPassAreTriedAgainAndNotForEver(t *testing.T) {
	for code, again := range map[int]bool{429: true, 500: true, 502: true, 503: true, 504: true, 408: true, 400: false, 403: false, 404: false, 501: false} {
		s, c := newServer(t), newClient(t)
		c.opts.Attempts = 4
		s.image("app", "1", newSample(t, "one"))
		var n atomic.Int32
		s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
			if strings.Contains(r.URL.Path, "/manifests/") {
				n.Add(1)
				w.Header().Set("Retry-After", "86400") // longer than anybody waits
				w.WriteHeader(code)
				return
			}
			answer.ServeHTTP(w, r)
		}
		_, err := c.pull(s.host+"/app:1", nil)
		want := int32(1)
		if again {
			want = 4
		}
		if err == nil || n.Load() != want {
			t.Errorf("%d: asked %d times, %v", code, n.Load(), err)
		}
		if s.between = nil; true {
			if _, err := c.pull(s.host+"/app:1", nil); err != nil {
				t.Errorf("%d: afterwards: %v", code, err)
			}
		}
	}
}

// guarded makes a server ask for a name and a password.
func (s *server) guard(user, password string) {
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="here"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer.ServeHTTP(w, r)
	}
}

func TestCredentialsDoNotGoWhereARedirectionLeads(t *testing.T) {
	s, storage, c := newServer(t), newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	storage.image("app", "1", img)
	s.guard("me", "secret")
	inner := s.between
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if _, _, ok := r.BasicAuth(); ok && isBlob(r, img) {
			http.Redirect(w, r, "http://"+storage.host+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		inner(w, r, answer)
	}
	var leaked atomic.Bool
	storage.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			leaked.Store(true)
		}
		answer.ServeHTTP(w, r)
	}
	c.opts.Keychain = keys{s.host: {Username: "me", Password: "secret"}}
	if _, err := c.pull(s.host+"/app:1", nil); err != nil {
		t.Fatal(err)
	}
	if n := storage.count("GET", digest.FromBytes(img.packed[0]).String()); n != 1 {
		t.Errorf("the redirection was followed %d times", n)
	}
	if leaked.Load() {
		t.Error("credentials went with it")
	}
}

func TestRedirectionsWithoutEndAreNotFollowed(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app:1", nil); err == nil || !strings.Contains(err.Error(), "redirection") {
		t.Errorf("%v", err)
	}
	if n := s.count("GET", "/manifests/"); n > 12 {
		t.Errorf("followed %d times", n)
	}
}
