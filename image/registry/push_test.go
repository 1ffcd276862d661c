package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/blobs"
	"github.com/bulkhead/bulkhead/image/registry"
	"github.com/bulkhead/bulkhead/layer"
)

// push pushes the sample by a name and tells how its layers got there.
func (c *client) push(img sample, name string, format registry.Format) (registry.Pushed, []string, error) {
	c.t.Helper()
	stored, err := c.to.Images.Get(img.id())
	if err != nil {
		c.t.Fatal(err)
	}
	told := make(chan string, 16)
	tag := reference.TagNameOnly(ref(c.t, name)).(reference.NamedTagged)
	p, err := registry.Push(context.Background(), tag, stored, c.to, blobs.Of(c.root), registry.PushOptions{
		Format: format, TempDir: c.t.TempDir(), Told: func(_ layer.DiffID, how string) { told <- how },
	}, c.opts)
	close(told)
	var how []string
	for h := range told {
		how = append(how, h)
	}
	return p, slices.Compact(slices.Sorted(slices.Values(how))), err
}

func TestPushedImageIsPulledElsewhere(t *testing.T) {
	for _, format := range []registry.Format{"", registry.FormatDocker, registry.FormatOCI} {
		s, c, other := newServer(t), newClient(t), newClient(t)
		img := newSample(t, "one", "two", "one")
		s.image("from", "1", img)
		if _, err := c.pull(s.host+"/from:1", nil); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(c.root, "bulkhead/blobs")); err != nil { // nothing is known of how it came
			t.Fatal(err)
		}
		pushed, how, err := c.push(img, s.host+"/team/to:2", format)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(how, []string{"Pushed"}) {
			t.Errorf("layers: %v", how)
		}
		got, err := other.pull(s.host+"/team/to:2", nil)
		if err != nil || got.Digest != pushed.Digest {
			t.Fatalf("%v, %v, pushed as %v", got.Digest, err, pushed.Digest)
		}
		other.want(img, s.host+"/team/to:2", s.host+"/team/to@"+pushed.Digest.String())

		again, how, err := c.push(img, s.host+"/team/to:3", "")
		if err != nil || again != pushed || !slices.Equal(how, []string{"Layer already exists"}) {
			t.Errorf("again: %v %v %v", again, how, err)
		}
	}
}

func TestPushIsTheSameBytesEachTime(t *testing.T) {
	img := newSample(t, "one", strings.Repeat("two", 10000))
	var digests []digest.Digest
	for range 2 {
		s, c := newServer(t), newClient(t)
		s.image("from", "1", img)
		if _, err := c.pull(s.host+"/from:1", nil); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(c.root, "bulkhead/blobs")); err != nil {
			t.Fatal(err)
		}
		pushed, _, err := c.push(img, s.host+"/to:1", "")
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, pushed.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("%v", digests)
	}
}

func TestKeptBlobsGoToAnotherRegistryAsTheyCame(t *testing.T) {
	from, to, c := newServer(t), newServer(t), newClient(t)
	c.load.Keep = true
	img := newSample(t, "one", "two")
	d := from.image("from", "1", img)
	if _, err := c.pull(from.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	pushed, how, err := c.push(img, to.host+"/to:1", "")
	if err != nil || pushed.Digest != d.Digest || !slices.Equal(how, []string{"Pushed"}) {
		t.Errorf("%v %v %v, came as %v", pushed.Digest, how, err, d.Digest)
	}

	// Asked for another kind of manifest, it sends the same layers.
	other, how, err := c.push(img, to.host+"/to:2", registry.FormatDocker)
	if err != nil || other.Digest == d.Digest || !slices.Equal(how, []string{"Layer already exists"}) {
		t.Errorf("%v %v %v", other.Digest, how, err)
	}
}

func TestADamagedKeptBlobIsNotSent(t *testing.T) {
	from, to, c := newServer(t), newServer(t), newClient(t)
	c.load.Keep = true
	img := newSample(t, "one")
	from.image("from", "1", img)
	if _, err := c.pull(from.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(c.root, "bulkhead/blobs/kept/sha256", digest.FromBytes(img.packed[0]).Encoded())
	data, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(kept, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.push(img, to.host+"/to:1", ""); err != nil {
		t.Fatal(err)
	}
	other := newClient(t)
	if _, err := other.pull(to.host+"/to:1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); !os.IsNotExist(err) {
		t.Errorf("it is still kept: %v", err)
	}
}

// pulledWithoutNotes has an image from a registry, and nothing of how it came.
func pulledWithoutNotes(t *testing.T) (*server, *client, sample) {
	t.Helper()
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("from", "1", img)
	if _, err := c.pull(s.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(c.root, "bulkhead/blobs")); err != nil {
		t.Fatal(err)
	}
	return s, c, img
}

// A manifest may say of a layer that is stored already that some blob is it.
// It is not read, and so not to be believed when it would be sent on.
func TestALayerThatWasNotReadIsNotPushedByTheManifestsWord(t *testing.T) {
	s, c, img := pulledWithoutNotes(t)
	lie := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: s.blob("lie", ocispec.MediaTypeImageConfig, img.config)}
	lie.SchemaVersion = 2
	lie.Layers = []ocispec.Descriptor{s.blob("lie", ocispec.MediaTypeImageLayerGzip, newSample(t, "another").packed[0])}
	d := s.manifest("lie", "1", ocispec.MediaTypeImageManifest, lie)
	if _, err := c.pull(s.host+"/lie:1", nil); err != nil {
		t.Fatal(err)
	}
	pushed, _, err := c.push(img, s.host+"/lie:2", "")
	if err != nil || pushed.Digest == d.Digest {
		t.Errorf("pushed as %v, %v", pushed.Digest, err)
	}
	if _, err := newClient(t).pull(s.host+"/lie:2", nil); err != nil {
		t.Error(err)
	}
	// Where blobs are kept, it is read, and then it is refused.
	c.load.Keep = true
	if _, err := c.pull(s.host+"/lie:1", nil); !errors.Is(err, layer.ErrDigestMismatch) {
		t.Errorf("kept: %v", err)
	}
}

func TestPushTriesAgainAfterAFailureThatPasses(t *testing.T) {
	s, c, img := pulledWithoutNotes(t)
	failed := map[string]bool{}
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if key := r.Method + r.URL.Path; !failed[r.Method] {
			failed[r.Method] = true
			http.Error(w, key, http.StatusServiceUnavailable)
			return
		}
		answer.ServeHTTP(w, r)
	}
	if _, _, err := c.push(img, s.host+"/to:1", ""); err != nil {
		t.Fatal(err)
	}
	if !failed["PUT"] || !failed["POST"] || !failed["HEAD"] {
		t.Errorf("failed: %v", failed)
	}
	if _, err := newClient(t).pull(s.host+"/to:1", nil); err != nil {
		t.Error(err)
	}
}

func TestPushWithoutLeaveSaysWhereLeaveIsGiven(t *testing.T) {
	s, c := newServer(t), newClient(t)
	img := newSample(t, "one")
	s.image("from", "1", img)
	if _, err := c.pull(s.host+"/from:1", nil); err != nil {
		t.Fatal(err)
	}
	s.between = func(w http.ResponseWriter, r *http.Request, answer http.Handler) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]string{"code": "DENIED", "message": "not yours\n\x1b[31m"}}})
			return
		}
		answer.ServeHTTP(w, r)
	}
	if err := os.RemoveAll(filepath.Join(c.root, "bulkhead/blobs")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.push(newSample(t, "one"), s.host+"/other/to:1", "")
	if !errors.Is(err, registry.ErrUnauthorized) || !strings.Contains(err.Error(), "docker login") || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%v", err)
	}
}
