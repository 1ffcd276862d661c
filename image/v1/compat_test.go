package v1_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

func TestADigestIsNotSetUntilItIs(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	for _, name := range []string{id("a"), id("b")} {
		_, err := f.graph.LayerDigest(ctx, name)
		f.want(err, v1.ErrDigestNotSet)
	}
	d := digest.FromString("blob")
	f.must(f.graph.SetLayerDigest(ctx, id("a"), d))
	if got, err := f.graph.LayerDigest(ctx, id("a")); err != nil || got != d || f.read(id("a"), "checksum") != d.String() {
		t.Errorf("%s (%v)", got, err)
	}
	if err := f.graph.SetLayerDigest(ctx, id("a"), "sha256:no"); err == nil {
		t.Error("what is no digest was noted")
	}
	f.want(f.graph.SetLayerDigest(ctx, id("b"), d), image.ErrNotFound)
	f.want(f.graph.SetLayerDigest(ctx, "../x", d), v1.ErrInvalidID)
	f.write(id("a"), "checksum", "nonsense")
	_, err := f.graph.LayerDigest(ctx, id("a"))
	f.want(err, image.ErrCorrupt)
}

func TestAV1ConfigIsKeptAsItCame(t *testing.T) {
	f := newFixture(t)
	f.register(id("a"), "")
	_, err := f.graph.V1CompatibilityConfig(ctx, id("a"))
	f.want(err, v1.ErrNoConfig)
	text := ` {"id": "x", "strange":1}`
	f.must(f.graph.SetV1CompatibilityConfig(ctx, id("a"), []byte(text)))
	for _, read := range []func() ([]byte, error){
		func() ([]byte, error) { return f.graph.V1CompatibilityConfig(ctx, id("a")) },
		func() ([]byte, error) { return f.graph.GenerateV1CompatibilityChain(ctx, id("a")) },
	} {
		if got, err := read(); err != nil || string(got) != text || f.read(id("a"), "v1Compatibility") != text {
			t.Errorf("%q (%v)", got, err)
		}
	}
	f.want(f.graph.SetV1CompatibilityConfig(ctx, id("a"), []byte(strings.Repeat("[1,", 1<<17))), image.ErrInvalidConfig)
	f.want(f.graph.SetV1CompatibilityConfig(ctx, id("b"), []byte(text)), image.ErrNotFound)
}

func TestV1ConfigsAreGeneratedUpTheChain(t *testing.T) {
	f := newFixture(t)
	a, b, c, d := id("a"), id("b"), id("c"), id("d")
	f.register(a, "")
	f.register(b, a)
	f.register(c, b)
	f.register(d, c)
	f.must(f.graph.SetV1CompatibilityConfig(ctx, b, []byte(`{"ID":"old-name-of-b"}`)))
	var group sync.WaitGroup
	for _, name := range []string{c, d, d, c} {
		group.Go(func() {
			if _, err := f.graph.GenerateV1CompatibilityChain(ctx, name); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var got v1.Image
	f.must(json.Unmarshal([]byte(f.read(c, "v1Compatibility")), &got))
	if got.ID != c || got.Parent != "old-name-of-b" || got.Size == 0 {
		t.Errorf("%+v", got)
	}
	f.must(json.Unmarshal([]byte(f.read(d, "v1Compatibility")), &got))
	if got.ID != d || got.Parent != c {
		t.Errorf("%+v", got)
	}
	_, err := f.graph.V1CompatibilityConfig(ctx, a)
	f.want(err, v1.ErrNoConfig) // nobody needed it
}

func TestABrokenChainGeneratesNothing(t *testing.T) {
	f := newFixture(t)
	a, b, c, d := id("a"), id("b"), id("c"), id("d")
	f.place(a, `{"parent":"`+b+`"}`)
	f.place(b, `{"parent":"`+a+`"}`)
	f.place(c, `{"parent":"`+id("e")+`"}`)
	f.place(d, `{"parent":"`+id("f")+`"}`)
	f.place(id("f"), `{}`)
	f.write(id("f"), "v1Compatibility", "[")
	f.reopen()
	_, err := f.graph.GenerateV1CompatibilityChain(ctx, a)
	f.want(err, image.ErrCorrupt) // and does not wait for itself
	_, err = f.graph.GenerateV1CompatibilityChain(ctx, c)
	f.want(err, image.ErrNotFound)
	_, err = f.graph.GenerateV1CompatibilityChain(ctx, d)
	f.want(err, image.ErrCorrupt)
	f.must(f.driver.Remove(ctx, id("f")))
	f.write(id("f"), "v1Compatibility", "{}")
	f.reopen()
	if got, err := f.graph.GenerateV1CompatibilityChain(ctx, id("f")); err != nil || string(got) != "{}" {
		t.Errorf("what is noted without a layer: %s (%v)", got, err)
	}
	_, err = f.graph.GenerateV1CompatibilityChain(ctx, id("7"))
	f.want(err, image.ErrNotFound)
	_, err = f.graph.GenerateV1CompatibilityChain(ctx, "9")
	f.want(err, image.ErrNotFound)
	for _, name := range []string{a, b, c, d} {
		_, err := f.graph.V1CompatibilityConfig(ctx, name)
		f.want(err, v1.ErrNoConfig)
	}
}
