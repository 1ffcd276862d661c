package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// What is pushed is read for as long as that takes. Others may add to the root
// meanwhile, and remove nothing.
func TestLoadDoesNotWaitForASlowPushAndARemovalTakesNothingFromIt(t *testing.T) {
	c := newCLI(t)
	pushed, _ := c.archive("app:1", "hello")
	other, _ := c.archive("other:1", "there")
	c.good("image", "load", "-i", pushed)

	registry := ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/") {
			once.Do(func() { close(reached) })
			<-goOn
		}
		registry.ServeHTTP(w, r)
	}))
	defer s.Close()
	name := strings.TrimPrefix(s.URL, "http://") + "/app:1"
	c.good("image", "tag", "app:1", name)
	done := make(chan string)
	go func() {
		defer close(done)
		if _, errs, code := c.do("image", "push", "-q", name); code != exitOK {
			done <- errs
		}
	}()
	select {
	case <-reached:
	case errs := <-done:
		t.Fatalf("push: %s", errs)
	}
	c.good("--lock-timeout", "0", "image", "load", "-i", other)
	for _, command := range [][]string{{"image", "rm", "-f", "app:1"}, {"gc"}, {"check", "--repair"}} {
		c.bad(exitFailed, "by others that read its layers", append([]string{"--lock-timeout", "0"}, command...)...)
	}
	close(goOn)
	if errs := <-done; errs != "" {
		t.Fatalf("push: %s", errs)
	}
	c.good("image", "rm", "-f", name, "app:1")
	c.good("image", "pull", "-q", "--platform", "linux/amd64", name)
}

func TestAPushThatCannotBeNotedTellsItsDigestAllTheSame(t *testing.T) {
	c := newCLI(t)
	path, id := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	s := httptest.NewServer(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0))))
	defer s.Close()
	name := strings.TrimPrefix(s.URL, "http://") + "/app:1"
	c.good("image", "tag", "app:1", name)
	note := filepath.Join(c.root, "bulkhead/blobs/manifests", strings.TrimPrefix(id, "sha256:"))
	if err := os.MkdirAll(note, 0o700); err != nil { // a directory in its place
		t.Fatal(err)
	}
	out, errs, code := c.do("image", "push", name)
	if code != exitFailed || !strings.Contains(errs, "is pushed, but") || !strings.Contains(out, "1: digest: sha256:") {
		t.Errorf("exit %d: %q, %q", code, out, errs)
	}
	if got := c.good("image", "inspect", "--format", "{{len .RepoDigests}}", name); got != "1\n" {
		t.Errorf("%s digests", got)
	}
}

func TestGCThatCannotBeginTellsOfNothingFreed(t *testing.T) {
	c := newCLI(t)
	for _, format := range []string{"", "json"} {
		if out, errs, code := c.do("gc", "--format", format); out != "" || !strings.Contains(errs, "does not exist") || code != exitFailed {
			t.Errorf("exit %d: %q, %q", code, out, errs)
		}
	}
}
