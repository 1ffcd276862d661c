package v1_test

import (
	"errors"
	"os"
	"testing"

	"github.com/bulkhead/bulkhead/image"
	v1 "github.com/bulkhead/bulkhead/image/v1"
)

// FuzzFiles reads an image whose files anybody may have written: what comes is
// an image with IDs that are some, or damage.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"id":"`+id("a")+`","parent_id":"`+blob.String()+`"}`), []byte(id("b")), []byte(`{"id":"x"}`), []byte("12"))
	f.Add([]byte(`{"container_config":{"Cmd":"x"},"Size":-1}`), []byte(""), []byte("null"), []byte("-1"))
	f.Add([]byte(`[]`), []byte("../x"), []byte(`{"ID":1}`), []byte("9"))
	fix := newFixture(f)
	fix.place(id("a"), `{}`)
	fix.place(id("b"), `{}`)
	fix.write(id("b"), "layersize", "1")
	fix.reopen()
	f.Fuzz(func(t *testing.T, config, above, v1Config, size []byte) {
		for name, data := range map[string][]byte{"json": config, "parent": above, "v1Compatibility": v1Config, "layersize": size} {
			if err := os.WriteFile(fix.path(id("a"), name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		img, err := fix.graph.Get(ctx, id("a"))
		if err == nil && (img.ID != id("a") || img.Parent != "" && v1.ValidateID(img.Parent) != nil || img.Size < 0) {
			t.Errorf("%+v", img)
		}
		if err != nil && !errors.Is(err, image.ErrCorrupt) {
			t.Errorf("%v", err)
		}
		fix.graph.GenerateV1CompatibilityChain(ctx, id("a"))
		os.Remove(fix.path(id("a"), "v1Compatibility"))
		fix.graph.GenerateV1CompatibilityChain(ctx, id("a"))
		if made, err := v1.MakeConfig(v1Config, blob, ""); err == nil {
			if again, err := v1.MakeConfig(made, blob, ""); err != nil || string(again) != string(made) {
				t.Errorf("%s becomes %s (%v)", made, again, err)
			}
		}
	})
}
