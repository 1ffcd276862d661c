package squash_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/layer"
	"github.com/bulkhead/bulkhead/squash"
)

var now = time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)

// fixture is a root of vfs with an image of three layers on one of one.
type fixture struct {
	*testing.T
	squash.Stores
	base, top image.ID
	step      func(name string) // what the layer store does, if not nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	wasm, err := driverswasm.Load("vfs")
	if err != nil {
		t.Skip(err)
	}
	ctx := context.Background()
	rt, err := engine.New(ctx, engine.Config{CacheDir: os.Getenv("BULKHEAD_TEST_NATIVE")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(ctx) })
	root := t.TempDir()
	d, err := host.Open(ctx, host.Config{
		Name: "vfs", Home: filepath.Join(root, "vfs"), State: filepath.Join(root, "bulkhead", "vfs"), Scratch: t.TempDir(),
		Embedded: true, Unprivileged: !graphdriver.Privileged(), Grants: driverswasm.Grants("vfs"),
	}, host.Wasm(rt, "vfs", wasm, engine.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close(ctx) })
	f := &fixture{T: t}
	step := func(name string) {
		if f.step != nil {
			f.step(name)
		}
	}
	if f.Layers, err = layer.Open(ctx, layer.Options{Root: root, DriverName: "vfs", Driver: host.Complete(d), Step: step}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Layers.Close() })
	if f.Images, err = image.Open(ctx, image.Options{Root: root, DriverName: "vfs", Layers: f.Layers}); err != nil {
		t.Fatal(err)
	}
	f.base = f.image("", "base")
	f.top = f.image(f.base, "one", "two")
	return f
}

// image stores an image of one layer, with a file, for each step on a parent,
// and one step more that made no layer.
func (f *fixture) image(parent image.ID, steps ...string) image.ID {
	f.Helper()
	var diffs []layer.DiffID
	var history []map[string]any
	if parent != "" {
		p := f.get(parent)
		diffs = p.DiffIDs()
		for _, h := range p.History {
			history = append(history, map[string]any{"created": h.Created, "created_by": h.CreatedBy, "empty_layer": h.EmptyLayer})
		}
	}
	for _, step := range steps {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		err := tw.WriteHeader(&tar.Header{Name: step, Typeflag: tar.TypeReg, Size: int64(len(step)), Mode: 0o644})
		_, werr := io.WriteString(tw, step)
		if err := errors.Join(err, werr, tw.Close()); err != nil {
			f.Fatal(err)
		}
		l, err := f.Layers.Register(f.Context(), &buf, layer.ChainOf(diffs), layer.RegisterOptions{})
		if err != nil {
			f.Fatal(err)
		}
		diffs = append(diffs, l.DiffID())
		history = append(history, map[string]any{"created": now, "created_by": step})
	}
	history = append(history, map[string]any{"created": now, "created_by": "CMD", "empty_layer": true})
	raw, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": now, "author": "me", "config": map[string]any{"Cmd": []string{"x"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs}, "history": history,
	})
	if err != nil {
		f.Fatal(err)
	}
	id, err := f.Images.Create(f.Context(), raw)
	if err != nil {
		f.Fatal(err)
	}
	return id
}

func (f *fixture) get(id image.ID) *image.Image {
	f.Helper()
	img, err := f.Images.Get(id)
	if err != nil {
		f.Fatal(err)
	}
	return img
}

func (f *fixture) squash(id, parent image.ID) *image.Image {
	f.Helper()
	made, err := squash.Image(f.Context(), f.Stores, id, squash.Options{Parent: parent, Now: func() time.Time { return now.Add(time.Hour) }})
	if err != nil {
		f.Fatal(err)
	}
	return f.get(made)
}

// steps are a history in short: what made each step, in brackets if that made
// no layer.
func steps(img *image.Image) string {
	var out []string
	for _, h := range img.History {
		s := h.CreatedBy + h.Comment
		if h.EmptyLayer {
			s = "[" + s + "]"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func (f *fixture) files(img *image.Image) string {
	f.Helper()
	l, err := f.Layers.Get(img.Config.ChainID())
	if err != nil {
		f.Fatal(err)
	}
	r, err := l.TarStream(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			f.Fatal(err)
		}
		names = append(names, h.Name)
	}
	_, err = f.Layers.Release(f.Context(), l)
	if err := errors.Join(err, r.Close()); err != nil {
		f.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestASquashedImageHasTheParentsLayersAndOneMore(t *testing.T) {
	f := newFixture(t)
	img := f.squash(f.top, f.base)
	base := f.get(f.base).DiffIDs()
	if got := img.DiffIDs(); len(got) != len(base)+1 || !slices.Equal(got[:len(base)], base) {
		t.Errorf("layers %v", got)
	}
	if got := f.files(img); got != "one two" {
		t.Errorf("the new layer has %s", got)
	}
}

func TestWithoutAParentAllLayersBecomeOne(t *testing.T) {
	f := newFixture(t)
	img := f.squash(f.top, "")
	if len(img.DiffIDs()) != 1 || f.files(img) != "base one two" {
		t.Errorf("%d layers with %s", len(img.DiffIDs()), f.files(img))
	}
	if got, want := steps(img), "[base], [CMD], [one], [two], [CMD], create new from "+f.top.String(); got != want {
		t.Errorf("history %s, want %s", got, want)
	}
}

func TestStepsBeyondTheParentsMadeNoLayerAndOneIsAdded(t *testing.T) {
	f := newFixture(t)
	img := f.squash(f.top, f.base)
	if got, want := steps(img), "base, [CMD], [one], [two], [CMD], merge "+f.top.String()+" to "+f.base.String(); got != want {
		t.Errorf("history %s, want %s", got, want)
	}
	last := img.History[len(img.History)-1]
	if !img.CreatedTime().Equal(now.Add(time.Hour)) || last.Created == nil || !last.Created.Equal(now.Add(time.Hour)) {
		t.Errorf("created %s, last step %v", img.CreatedTime(), last.Created)
	}
	if img.Author != "me" || img.Config.Config == nil || !slices.Equal(img.Config.Config.Cmd, []string{"x"}) {
		t.Errorf("what else the image says is lost: %+v", img.Config)
	}
}

func TestSquashLeavesWhatWasThere(t *testing.T) {
	f := newFixture(t)
	before, layers := f.get(f.top).Raw, len(f.Layers.Map())
	f.squash(f.top, f.base)
	if !bytes.Equal(f.get(f.top).Raw, before) || len(f.Images.IDs()) != 3 || len(f.Layers.Map()) != layers+1 {
		t.Errorf("%d images, %d layers", len(f.Images.IDs()), len(f.Layers.Map()))
	}
	for chain := range f.Layers.Map() {
		if err := f.Layers.Verify(t.Context(), chain); err != nil {
			t.Error(err)
		}
	}
}

func TestASquashThatIsEndedWhenItsLayerIsStoredLeavesNone(t *testing.T) {
	f := newFixture(t)
	before := len(f.Layers.Map())
	ctx, cancel := context.WithCancel(t.Context())
	f.step = func(name string) {
		if name == "published" {
			cancel()
		}
	}
	if _, err := squash.Image(ctx, f.Stores, f.top, squash.Options{Name: "s:1"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if n := len(f.Layers.Map()); n != before {
		t.Errorf("%d layers, and there were %d", n, before)
	}
}

func TestSquashToWhatIsNoParentIsRefused(t *testing.T) {
	f := newFixture(t)
	other := f.image("", "other")
	layers := len(f.Layers.Map())
	gone := image.ID("sha256:" + strings.Repeat("0", 64))
	for _, c := range []struct {
		id, parent image.ID
		want       error
	}{{f.top, other, layer.ErrNotAncestor}, {f.top, gone, image.ErrNotFound}, {gone, "", image.ErrNotFound}} {
		if _, err := squash.Image(t.Context(), f.Stores, c.id, squash.Options{Parent: c.parent}); !errors.Is(err, c.want) {
			t.Errorf("%s to %s: %v", c.id.Short(), c.parent.Short(), err)
		}
	}
	if len(f.Layers.Map()) != layers || len(f.Images.IDs()) != 3 {
		t.Error("something stays of it")
	}
}
