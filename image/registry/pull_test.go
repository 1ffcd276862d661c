package registry_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/refs"
	"github.com/bulkhead/bulkhead/image/registry"
)

func TestPullStoresTheImageByItsTagAndItsDigest(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one", "two")
	d := s.image("team/app", "1", img)
	got, err := c.pull(s.host+"/team/app:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != img.id() || got.Digest != d.Digest || !got.News {
		t.Errorf("pulled %+v", got)
	}
	c.want(img, s.host+"/team/app:1", s.host+"/team/app@"+d.Digest.String())
	if left, _ := filepath.Glob(filepath.Join(c.root, "bulkhead/blobs/*/sha256/*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPullByDigestGivesNoTag(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	d := s.image("app", "1", img)
	for _, name := range []string{"/app@", "/app:other@"} {
		if _, err := c.pull(s.host+name+d.Digest.String(), nil); err != nil {
			t.Fatal(err)
		}
		c.want(img, s.host+"/app@"+d.Digest.String())
	}
}

func TestPullAgainIsNoNewsAndDownloadsNoLayer(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("app", "latest", img)
	if _, err := c.pull(s.host+"/app", nil); err != nil {
		t.Fatal(err)
	}
	s.asked = nil
	got, err := c.pull(s.host+"/app", nil)
	if err != nil || got.News {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := s.count("GET", digest.FromBytes(img.packed[0]).String()); n != 0 {
		t.Errorf("the layer was asked for %d times", n)
	}
}

func TestPullDownloadsOnlyLayersThatAreNotStored(t *testing.T) {
	s, c := newServer(t), newClient(t)
	base, app := newSample(t, "base"), newSample(t, "base", "app")
	s.image("base", "1", base)
	s.image("app", "1", app)
	for _, name := range []string{"/base:1", "/app:1"} {
		if _, err := c.pull(s.host+name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.count("GET", "/v2/app/blobs/"+digest.FromBytes(app.packed[0]).String()); n != 0 {
		t.Errorf("the base's layer was asked for %d times", n)
	}
	if n := s.count("GET", "/v2/app/blobs/"+digest.FromBytes(app.packed[1]).String()); n != 1 {
		t.Errorf("the other layer was asked for %d times", n)
	}
}

func TestPullTakesTheImageForThePlatform(t *testing.T) {
	s := newServer(t)
	mine, other := newSample(t, "mine"), sampleFor(t, "s390x", "other")
	attestation := s.manifest("app", "att", ocispec.MediaTypeImageManifest, ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest})
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	attestation.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	for _, kind := range []string{ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.list.v2+json"} {
		list := ocispec.Index{MediaType: kind, Manifests: []ocispec.Descriptor{attestation, s.image("app", "o", other), s.image("app", "m", mine)}}
		list.SchemaVersion = 2
		d := s.manifest("app", "all", kind, list)

		c := newClient(t)
		if _, err := c.pull(s.host+"/app:all", nil); err != nil {
			t.Fatal(err)
		}
		c.want(mine, s.host+"/app:all", s.host+"/app@"+d.Digest.String())

		// The other one takes the tag; the digest is the index's, and stays.
		if _, err := c.pull(s.host+"/app:all", &ocispec.Platform{OS: "linux", Architecture: "s390x"}); err != nil {
			t.Fatal(err)
		}
		c.want(other, s.host+"/app:all")
		c.want(mine, s.host+"/app@"+d.Digest.String())

		// By the digest alone the other one would have no name.
		c = newClient(t)
		if _, err := c.pull(s.host+"/app@"+d.Digest.String(), nil); err != nil {
			t.Fatal(err)
		}
		_, err := c.pull(s.host+"/app@"+d.Digest.String(), &ocispec.Platform{OS: "linux", Architecture: "s390x"})
		if !errors.Is(err, refs.ErrConflict) || !strings.Contains(err.Error(), "by a tag") {
			t.Errorf("%v", err)
		}
		c.want(mine, s.host+"/app@"+d.Digest.String())
		if n := len(c.to.Images.IDs()); n != 1 {
			t.Errorf("%d images", n)
		}
	}
}

func TestPullRefusesWhatIsForAnotherPlatformOnly(t *testing.T) {
	s := newServer(t)
	other := s.image("app", "o", sampleFor(t, "s390x", "other"))
	list := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{other}}
	list.SchemaVersion = 2
	s.manifest("app", "list", ocispec.MediaTypeImageIndex, list)
	for name, platform := range map[string]*ocispec.Platform{"/app:list": nil, "/app:o": {OS: "linux", Architecture: "ppc64le"}} {
		c := newClient(t)
		if _, err := c.pull(s.host+name, platform); !errors.Is(err, input.ErrRefused) || !strings.Contains(err.Error(), "linux/s390x") {
			t.Errorf("%s: %v", name, err)
		}
		c.wantNothing()
	}
}

func TestPullRefusesSchema1AndSaysSo(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
			w.Write([]byte(`{"schemaVersion":1,"name":"app","tag":"1","fsLayers":[]}`))
			return
		}
		answer.ServeHTTP(w, r)
	}
	if _, err := c.pull(s.host+"/app:1", nil); !errors.Is(err, input.ErrRefused) || !strings.Contains(err.Error(), "schema 1") {
		t.Errorf("%v", err)
	}
}

func TestPullThatCannotNoteHowAnImageCameStoresNothing(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.image("app", "1", newSample(t, "one"))
	if err := os.MkdirAll(filepath.Join(c.root, "bulkhead/blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.root, "bulkhead/blobs/manifests"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.pull(s.host+"/app:1", nil); err == nil {
		t.Error("it was noted")
	}
	c.wantNothing()
}

func TestPullSaysWhatIsNotThere(t *testing.T) {
	s, c := newServer(t), newClient(t)
	s.image("app", "1", newSample(t, "one"))
	_, err := c.pull(s.host+"/app:2", nil)
	if !errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), "app:2") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(c.root, "bulkhead/blobs")); !os.IsNotExist(err) {
		t.Errorf("something was made for it: %v", err)
	}
}
