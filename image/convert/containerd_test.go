package convert_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.etcd.io/bbolt"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/archive"
	"github.com/bulkhead/bulkhead/image/containerd"
	"github.com/bulkhead/bulkhead/image/convert"
	"github.com/bulkhead/bulkhead/image/input"
)

// other is a containerd's root: its content, and what is to be in its metadata.
type other struct {
	testing.TB
	root   string
	images map[string]map[string]ocispec.Descriptor // by namespace
}

func newOther(t testing.TB) *other {
	t.Helper()
	return &other{t, t.TempDir(), map[string]map[string]ocispec.Descriptor{}}
}

func (o *other) path(d digest.Digest) string {
	return filepath.Join(o.root, "io.containerd.content.v1.content/blobs", d.Algorithm().String(), d.Encoded())
}

func (o *other) blob(mediaType string, data []byte) ocispec.Descriptor {
	o.Helper()
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	path := o.path(d.Digest)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
		o.Fatal(err)
	}
	return d
}

func (o *other) json(mediaType string, v any) ocispec.Descriptor {
	o.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		o.Fatal(err)
	}
	return o.blob(mediaType, data)
}

// manifest is an image of one layer with one file.
func (o *other) manifest(text, arch string) (m, layerBlob ocispec.Descriptor, id image.ID) {
	o.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	err := tw.WriteHeader(&tar.Header{Name: text, Typeflag: tar.TypeReg, Size: int64(len(text)), Mode: 0o644})
	_, werr := tw.Write([]byte(text))
	if err := errors.Join(err, werr, tw.Close()); err != nil {
		o.Fatal(err)
	}
	layerBlob = o.blob(ocispec.MediaTypeImageLayer, buf.Bytes())
	config := o.json(ocispec.MediaTypeImageConfig, map[string]any{
		"architecture": arch, "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": []digest.Digest{layerBlob.Digest}},
	})
	m = o.json(ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": config, "layers": []ocispec.Descriptor{layerBlob},
	})
	m.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	return m, layerBlob, image.ID(config.Digest)
}

func (o *other) index(manifests ...ocispec.Descriptor) ocispec.Descriptor {
	return o.json(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": manifests})
}

func (o *other) name(namespace, name string, d ocispec.Descriptor) {
	if o.images[namespace] == nil {
		o.images[namespace] = map[string]ocispec.Descriptor{}
	}
	o.images[namespace][name] = d
}

func (o *other) remove(d ocispec.Descriptor) {
	o.Helper()
	if err := os.Remove(o.path(d.Digest)); err != nil {
		o.Fatal(err)
	}
}

// written writes the metadata as containerd does (metadata/buckets.go and
// images.go), by the library that it uses.
func (o *other) written() string {
	o.Helper()
	dir := filepath.Join(o.root, "io.containerd.metadata.v1.bolt")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		o.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(dir, "meta.db"), 0o600, nil)
	if err != nil {
		o.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		version, err := tx.CreateBucketIfNotExists([]byte("v1"))
		if err != nil {
			return err
		}
		for namespace, images := range o.images {
			for name, d := range images {
				at := version
				for _, key := range []string{namespace, "images", name, "target"} {
					if at, err = at.CreateBucketIfNotExists([]byte(key)); err != nil {
						return err
					}
				}
				err = errors.Join(at.Put([]byte("digest"), []byte(d.Digest)), at.Put([]byte("mediatype"), []byte(d.MediaType)),
					at.Put([]byte("size"), binary.AppendVarint(nil, d.Size)))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		o.Fatal(err)
	}
	return o.root
}

func fromContainerd(t testing.TB, root, namespace string, to *side) convert.Result {
	t.Helper()
	s, err := containerd.Open(t.Context(), root, namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	done, err := convert.FromContainerd(t.Context(), s, to.Stores, archive.Limits{}, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

const foreign = "riscv64"

func TestImagesOfAContainerdComeOver(t *testing.T) {
	o, to := newOther(t), newSide(t)
	mine, _, mineID := o.manifest("mine", runtime.GOARCH)
	strange, _, strangeID := o.manifest("strange", foreign)
	absent, absentLayer, _ := o.manifest("absent", "s390x")
	o.remove(absentLayer) // never fetched in full
	never, _, _ := o.manifest("never", "mips64le")
	o.remove(never)
	attestation, _, _ := o.manifest("attestation", "unknown")
	attestation.Annotations = map[string]string{"vnd.docker.reference.type": "attestation-manifest"}
	index := o.index(strange, absent, never, mine, attestation)
	o.name("moby", "docker.io/library/app:1", index)
	o.name("moby", "docker.io/library/app@"+index.Digest.String(), index)
	o.name("moby", "moby-dangling@"+mine.Digest.String(), mine)
	plain, _, plainID := o.manifest("plain", runtime.GOARCH)
	o.name("moby", "docker.io/me/plain:2", plain)
	o.name("moby", "sha256:"+plain.Digest.Encoded(), plain)
	hidden, _, _ := o.manifest("hidden", runtime.GOARCH)
	o.name("k8s.io", "docker.io/library/hidden:1", hidden)

	done := fromContainerd(t, o.written(), "", to)
	if len(done.Left) != 0 || len(done.Stored) != 3 {
		t.Fatalf("got %+v", done)
	}
	for name, want := range map[string]image.ID{"app:1": mineID, "app@" + index.Digest.String(): mineID, "me/plain:2": plainID, string(strangeID): strangeID} {
		if id, err := to.Images.Resolve(name); err != nil || id != want {
			t.Errorf("%s is %s, %v; there are %v", name, id, err, done)
		}
	}
	if _, err := to.Images.Resolve("hidden:1"); err == nil {
		t.Error("an image of another namespace came over")
	}
	if id, err := to.Images.Resolve("moby-dangling@" + mine.Digest.String()); err == nil {
		t.Errorf("what Docker calls an image without a name is a name of %s", id)
	}
	again := fromContainerd(t, o.root, "moby", to)
	if len(again.Stored) != 0 || len(again.Already) != 3 || len(again.Left) != 0 || again.Names != 0 {
		t.Errorf("again: %+v", again)
	}
	if done := fromContainerd(t, o.root, "k8s.io", to); len(done.Stored) != 1 {
		t.Errorf("the other namespace: %+v", done)
	}
}

func TestWhatAContainerdLacksOrHasDamagedIsTold(t *testing.T) {
	for name, damage := range map[string]func(o *other, m, l ocispec.Descriptor){
		"no layer":    func(o *other, _, l ocispec.Descriptor) { o.remove(l) },
		"no manifest": func(o *other, m, _ ocispec.Descriptor) { o.remove(m) },
		"other layer": func(o *other, _, l ocispec.Descriptor) {
			if err := os.WriteFile(o.path(l.Digest), make([]byte, l.Size), 0o600); err != nil {
				o.Fatal(err)
			}
		},
		"other manifest": func(o *other, m, _ ocispec.Descriptor) {
			if err := os.WriteFile(o.path(m.Digest), []byte(strings.Repeat(" ", int(m.Size))), 0o600); err != nil {
				o.Fatal(err)
			}
		},
		"a fifo": func(o *other, m, _ ocispec.Descriptor) {
			o.remove(m)
			if err := syscall.Mkfifo(o.path(m.Digest), 0o600); err != nil {
				o.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, to := newOther(t), newSide(t)
			bad, badLayer, _ := o.manifest("bad", runtime.GOARCH)
			good, _, goodID := o.manifest("good", runtime.GOARCH)
			o.name("default", "docker.io/library/bad:1", bad)
			o.name("default", "docker.io/library/good:1", good)
			damage(o, bad, badLayer)
			done := fromContainerd(t, o.written(), "", to)
			if len(done.Left) != 1 || done.Left[0].Name != "docker.io/library/bad:1" || len(done.Stored) != 1 || done.Stored[0] != goodID {
				t.Errorf("got %+v", done)
			}
			if n := len(to.Layers.Map()); n != 1 {
				t.Errorf("%d layers", n)
			}
		})
	}
}

// A root of somebody else's may list the same index again and again, in
// itself as it were, or all that was never fetched.
func TestIndexesThatListWithoutEndAreRefused(t *testing.T) {
	for _, fetched := range []bool{true, false} {
		o := newOther(t)
		last := o.index()
		if !fetched {
			last.Digest = digest.FromString("never fetched")
		}
		for range 3 {
			last = o.index(slices.Repeat([]ocispec.Descriptor{last}, 300)...)
		}
		o.name("moby", "docker.io/library/app:1", last)
		s, err := containerd.Open(t.Context(), o.written(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Manifests(s.Images[0]); !errors.Is(err, input.ErrRefused) {
			t.Errorf("fetched: %v: %v", fetched, err)
		}
	}
}

func TestWhatIsNoContainerdIsRefused(t *testing.T) {
	o := newOther(t)
	open := func(namespace string) error {
		s, err := containerd.Open(t.Context(), o.root, namespace)
		if err == nil {
			s.Close()
		}
		return err
	}
	if err := open(""); err == nil || !strings.Contains(err.Error(), "not the root of a containerd") {
		t.Errorf("got %v", err)
	}
	m, _, _ := o.manifest("one", runtime.GOARCH)
	o.name("a", "docker.io/library/one:1", m)
	o.name("b", "docker.io/library/one:1", m)
	o.written()
	for _, namespace := range []string{"", "c"} {
		if err := open(namespace); err == nil || !strings.Contains(err.Error(), "a, b") {
			t.Errorf("namespace %q: %v", namespace, err)
		}
	}
	file := filepath.Join(o.root, "io.containerd.metadata.v1.bolt/meta.db")
	if err := os.Truncate(file, 5000); err != nil {
		t.Fatal(err)
	}
	if err := open("a"); err == nil {
		t.Error("half a database was read")
	}
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := open("a"); err == nil {
		t.Error("a fifo was read")
	}
}
