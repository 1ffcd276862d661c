package trust

import (
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cosign itself wrote over testdata/cosign/blob.wasm, each file named for
// the version, the key and the kind:
//
//	cosign sign-blob --key K.key --tlog-upload=false --output-signature F.sig blob.wasm
//	cosign sign-blob --key K.key --tlog-upload=false --bundle F.bundle.json blob.wasm
//	cosign sign-blob --key K.key --tlog-upload=false --new-bundle-format --bundle F.sigstore.json blob.wasm
//
// Version 3 has --use-signing-config=false besides, and --new-bundle-format=false for the first two.
// Version 2.6.5 cannot sign with an Ed25519 key: it panics.
func TestWhatCosignSignsHolds(t *testing.T) {
	const dir = "testdata/cosign"
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	keys := map[string]crypto.PublicKey{}
	for _, name := range []string{"ecdsa", "ed25519"} {
		key, err := ParsePublic(read(name + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	blob := read("blob.wasm")
	files, err := filepath.Glob(filepath.Join(dir, "cosign-*"))
	if err != nil || len(files) != 9 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			sig := read(name)
			for kind, key := range keys {
				want := error(ErrUntrusted)
				if strings.Contains(name, kind) {
					want = nil
				}
				if _, err := Verify([]crypto.PublicKey{key}, blob, sig); !errors.Is(err, want) || want == nil && err != nil {
					t.Errorf("by the key %s: %v, want %v", kind, err, want)
				}
				if _, err := Verify([]crypto.PublicKey{key}, append([]byte("x"), blob...), sig); !errors.Is(err, ErrUntrusted) {
					t.Errorf("of other bytes, by the key %s: %v", kind, err)
				}
			}
		})
	}
}
