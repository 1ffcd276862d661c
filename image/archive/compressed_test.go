package archive_test

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"io"
	"testing"

	"github.com/bulkhead/bulkhead/image/input"
)

// packedLayers are one tar of one file, as xz and bzip2 compress it, which no
// library here does.
var packedLayers = map[input.Compression]string{
	input.XZ:    "/Td6WFoAAATm1rRGAgAhAQwAAACPmEGc4Af/AENdADMaSda2OCGvAe5uAhSJBjaugG2LNSS4u/FjoPPI1aV0OT6JvKO7/2jd6DsLMfuNn1+miSRm7ZzV2N2luWQPzMnfcQAAAEWf89wbX/lOAAFfgBAAAADyiXLfscRn+wIAAAAABFla",
	input.Bzip2: "QlpoOTFBWSZTWTRKNE4AAC3bgMsQQABngAAEayWeAAgoIABUUAAAAGglEI9QYnqAAOx8g0hApzO4aa2oCh3CkZKhFRB4IQrW9xCHzMJ3tFDW8d5wPAQIjH8XckU4UJA0SjRO",
}

func TestLayersInXZAndBzip2AreLoaded(t *testing.T) {
	for kind, text := range packedLayers {
		t.Run(string(kind), func(t *testing.T) {
			packed, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			r, found, err := input.Decompress(bytes.NewReader(packed), 0)
			if err != nil || found != kind {
				t.Fatalf("%s, %v", found, err)
			}
			plain, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if h, err := tar.NewReader(bytes.NewReader(plain)).Next(); err != nil || h.Name != "file" {
				t.Fatalf("%v, %v", h, err)
			}
			s := imageOf(t, plain)
			files := dockerFiles(t, sample{config: s.config, layers: [][]byte{packed}}, "app:1")
			root := t.TempDir()
			if _, err := load(t, stores(t, root), writeArchive(t, makeTar(t, files...))); err != nil {
				t.Fatal(err)
			}
			wantImage(t, root, s, "app:1")
		})
	}
}
