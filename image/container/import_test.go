package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/container"
)

func tarOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, name := range names {
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestAnImageIsMadeOfAnArchive(t *testing.T) {
	f := newFixture(t)
	data := tarOf(t, "a", "b")
	changes, err := container.ParseChanges(`CMD ["run"]`, "ENV A=1")
	if err != nil {
		t.Fatal(err)
	}
	id, err := container.Import(context.Background(), f.Stores, bytes.NewReader(data), container.ImportOptions{
		Message: "said", Changes: changes, Name: "made:1", Platform: &ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		Now: func() time.Time { return time.Date(2024, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.reopen()
	img, err := f.Images.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	want := object(t, []byte(`{"architecture":"arm","variant":"v7","os":"linux","comment":"said","created":"2024-01-02T02:04:05.000000006Z",
		"config":{"Cmd":["run"],"Env":["A=1"]},"rootfs":{"type":"layers","diff_ids":["`+digest.FromBytes(data).String()+`"]},
		"history":[{"created":"2024-01-02T02:04:05.000000006Z","comment":"said"}]}`))
	if got := object(t, img.Raw); !reflect.DeepEqual(got, want) {
		t.Errorf("configuration\n%v\nwant\n%v", got, want)
	}
	if got, err := f.Images.Resolve("made:1"); got != id {
		t.Errorf("made:1 is %s, %v", got, err)
	}
	l, err := f.Images.Layer(id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.TarStream(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the layer comes out different: %v", err)
	}
}

func TestAnArchiveThatIsNoneBecomesNoImage(t *testing.T) {
	f := newFixture(t)
	for text, opts := range map[string]container.ImportOptions{
		strings.Repeat("no tar ", 1000):   {},
		string(tarOf(t, "a", "b", "c")):   {Entries: 2},
		string(tarOf(t, "a")):             {Name: "a:b:c"},
		string(tarOf(t, "a", "b")):        {Platform: &ocispec.Platform{OS: "windows", Architecture: "amd64"}},
		string(tarOf(t, "a", "b"))[:1300]: {},
	} {
		if _, err := container.Import(context.Background(), f.Stores, strings.NewReader(text), opts); err == nil {
			t.Errorf("%.20q: an image was made of it", text)
		}
	}
	var many *layertar.EntriesError
	if _, err := container.Import(context.Background(), f.Stores, bytes.NewReader(tarOf(t, "a", "b", "c")), container.ImportOptions{Entries: 2}); !errors.As(err, &many) {
		t.Errorf("%v", err)
	}
	if n, m := len(f.Images.IDs()), len(f.Layers.Map()); n+m != 0 {
		t.Errorf("%d images and %d layers stayed", n, m)
	}
}

// The time at which an image got its name is noted after the name: where that
// fails, the image is taken back, and its name with it.
func TestAnImageThatIsTakenBackLeavesNoName(t *testing.T) {
	f := newFixture(t)
	opts := container.ImportOptions{Name: "made:1", Now: func() time.Time { return time.Unix(1e9, 0) }}
	id, err := container.Import(ctx, f.Stores, bytes.NewReader(make([]byte, 1024)), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Images.Remove(ctx, "made:1", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	notes := filepath.Join(f.root, "image/plain/imagedb/metadata/sha256", id.Digest().Encoded())
	if err := os.WriteFile(notes, nil, 0o600); err != nil { // in a directory's place
		t.Fatal(err)
	}
	if _, err := container.Import(ctx, f.Stores, bytes.NewReader(make([]byte, 1024)), opts); err == nil {
		t.Fatal("a note was written where there is no directory")
	}
	if names := f.Images.References(id); len(names) > 0 {
		t.Errorf("%v names nothing", names)
	}
	if _, err := f.Images.Get(id); !errors.Is(err, image.ErrNotFound) {
		t.Error(err)
	}
}

func TestWhatIsEndedWhenItsLayerIsStoredLeavesNone(t *testing.T) {
	for name, make := range map[string]func(ctx context.Context, f *fixture) error{
		"import": func(ctx context.Context, f *fixture) error {
			_, err := container.Import(ctx, f.Stores, bytes.NewReader(tarOf(t, "a")), container.ImportOptions{Name: "a:1"})
			return err
		},
		"commit": func(ctx context.Context, f *fixture) error {
			_, err := container.Commit(ctx, f.Stores, "work", container.CommitOptions{Name: "a:1"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.create("work", container.CreateOptions{Parent: f.image("text", "").ChainID()}, "written")
			before := len(f.Layers.Map())
			ctx, cancel := context.WithCancel(t.Context())
			f.step = func(name string) {
				if name == "published" {
					cancel()
				}
			}
			if err := make(ctx, f); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			if n := len(f.Layers.Map()); n != before {
				t.Errorf("%d layers, and there were %d", n, before)
			}
		})
	}
}
