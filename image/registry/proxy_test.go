package registry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead/bulkhead/image/registry"
)

// proxied is set, to the file of a certificate, in the process that pulls: the
// environment is looked at once in each.
const proxied = "BULKHEAD_TEST_PROXIED"

func TestPullsGoThroughTheProxyOfTheEnvironment(t *testing.T) {
	const unsafe = "plain.example.com"
	if ca := os.Getenv(proxied); ca != "" {
		c := newClient(t)
		c.opts.Hosts = map[string]registry.Host{afar: {CA: ca}, unsafe: {Insecure: true}}
		for _, host := range []string{afar, unsafe} {
			if _, err := c.pull(host+"/app:1", nil); err != nil {
				t.Error(err)
			}
		}
		return
	}
	s := newServer(t)
	s.image("app", "1", newSample(t, "one"))
	address, certificate := s.withTLS()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]bool{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.Method+" "+r.URL.Host] = true
		mu.Unlock()
		switch {
		case r.Method == http.MethodConnect && r.URL.Host == afar+":443":
			tunnel(w, address)
		case r.Method == http.MethodConnect:
			w.WriteHeader(http.StatusBadGateway)
		default:
			s.answer(w, r)
		}
	}))
	defer proxy.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.Contains(strings.ToUpper(v), "_PROXY=") }),
		proxied+"="+ca, "HTTPS_PROXY="+proxy.URL, "HTTP_PROXY="+proxy.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"CONNECT " + afar + ":443", "GET " + unsafe} {
		if !asked[want] {
			t.Errorf("the proxy was not asked to %s: %v", want, asked)
		}
	}
}

// tunnel is what a proxy does when it is asked to connect.
func tunnel(w http.ResponseWriter, address string) {
	out, err := net.Dial("tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer out.Close()
	w.WriteHeader(http.StatusOK)
	in, rest, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	go func() {
		io.Copy(out, rest)
		out.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(in, out)
}

// Names are whoever's they are, and say nothing of where they lead.
func TestANameThatLeadsToThisMachineIsNotFollowed(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "1", img)
	address, ca := certified(t, s)
	c.opts.Hosts = map[string]registry.Host{afar: {CA: ca}}
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if isBlob(r, img) && r.Host == afar {
			http.Redirect(w, r, "https://storage."+afar+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		answer.ServeHTTP(w, r)
	}
	for _, far := range []bool{true, false} {
		c.opts.Dial = func(ctx context.Context, network, to string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if far && err == nil && to == afar+":443" {
				conn = elsewhere{conn}
			}
			return conn, err
		}
		_, err := c.pull(afar+"/app:1", nil)
		if refused := err != nil && strings.Contains(err.Error(), "redirection refused"); refused != far {
			t.Errorf("the registry is far away: %v, %v", far, err)
		}
	}
}

// elsewhere is a connection to a host that is not this one, as far as its
// address tells.
type elsewhere struct{ net.Conn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 443} }
