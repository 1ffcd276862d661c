package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
)

// mounting makes a server keep the blobs of repositories apart, as those that
// are run for others do. Who is asked for leave to read from "from" says yes or
// no.
func (s *server) mounting(leave bool) {
	has := map[string]bool{} // blobs of "to"
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if r.URL.Path == "/token" {
			if !leave && slices.ContainsFunc(r.URL.Query()["scope"], func(s string) bool { return strings.HasPrefix(s, "repository:from:") }) {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			json.NewEncoder(w).Encode(map[string]string{"token": "t" + fmt.Sprint(r.URL.Query()["scope"])})
			return
		}
		token := r.Header.Get("Authorization")
		if token == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+s.host+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		d := path.Base(r.URL.Path)
		switch {
		case r.Method == http.MethodHead && strings.HasPrefix(r.URL.Path, "/v2/to/blobs/") && !has[d]:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodPost && r.URL.Query().Get("mount") != "":
			if r.URL.Query().Get("from") != "from" || !strings.Contains(token, "repository:from:pull") || !strings.Contains(token, "repository:to:push,pull") {
				s.t.Errorf("mount: %s with %s", r.URL, token)
			}
			has[r.URL.Query().Get("mount")] = true
			w.WriteHeader(http.StatusCreated)
		default:
			answer.ServeHTTP(w, r)
			if r.Method == http.MethodPut {
				has[r.URL.Query().Get("digest")] = true
			}
		}
	}
}

func TestLayersOfAnotherRepositoryAreMountedWithLeaveToReadIt(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one", "two", "three", "four")
	d := s.image("from", "1", img)
	if _, err := c.pull(s.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	s.mounting(true)
	s.asked = nil
	pushed, how, err := c.push(img, s.host+"/to:1", "")
	if err != nil || pushed.Digest != d.Digest || !slices.Equal(how, []string{"Mounted from from"}) {
		t.Fatalf("%v %q %v", pushed, how, err)
	}
	if n := s.count("PUT", "/blobs/"); n != 1 {
		t.Errorf("%d blobs were sent, and not the configuration alone", n)
	}
}

func TestLayersThatMayNotBeMountedAreSent(t *testing.T) {
	s, c := newServer(t), newClient(t)
	c.load.Keep = true
	img := newSample(t, "one", "two", "three", "four")
	d := s.image("from", "1", img)
	if _, err := c.pull(s.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	s.mounting(false)
	pushed, how, err := c.push(img, s.host+"/to:1", "")
	if err != nil || pushed.Digest != d.Digest || !slices.Equal(how, []string{"Pushed"}) {
		t.Errorf("%v %q %v", pushed, how, err)
	}
}
