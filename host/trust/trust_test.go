package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var module = []byte("\x00asm\x01\x00\x00\x00 and so on")

func pair(t testing.TB, algorithm string) (crypto.Signer, crypto.PublicKey) {
	t.Helper()
	private, public, err := Generate(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ParsePublic(public)
	if err != nil {
		t.Fatal(err)
	}
	return key, pub
}

func signed(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	sig, err := Sign(key, module)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestASignatureHoldsForTheBytesAndTheKeyOnly(t *testing.T) {
	for _, algorithm := range []string{ECDSA, Ed25519} {
		t.Run(algorithm, func(t *testing.T) {
			key, pub := pair(t, algorithm)
			_, stranger := pair(t, algorithm)
			sig := signed(t, key)
			got, err := Verify([]crypto.PublicKey{stranger, pub}, module, sig)
			if err != nil {
				t.Fatal(err)
			}
			is, _ := Fingerprint(got)
			want, _ := Fingerprint(pub)
			if is != want || !strings.HasPrefix(is, "SHA256:") {
				t.Errorf("signed by %s, not by %s", is, want)
			}
			for name, try := range map[string]struct {
				keys []crypto.PublicKey
				blob []byte
				sig  []byte
				want error
			}{
				"other bytes":       {[]crypto.PublicKey{pub}, append([]byte("x"), module...), sig, ErrUntrusted},
				"a stranger's key":  {[]crypto.PublicKey{stranger}, module, sig, ErrUntrusted},
				"no key":            {nil, module, sig, ErrUntrusted},
				"another signature": {[]crypto.PublicKey{pub}, module, []byte(base64.StdEncoding.EncodeToString(make([]byte, 64))), ErrUntrusted},
				"an empty file":     {[]crypto.PublicKey{pub}, module, nil, ErrSignature},
				"no base64":         {[]crypto.PublicKey{pub}, module, []byte("!!!"), ErrSignature},
				"a huge file":       {[]crypto.PublicKey{pub}, module, bytes.Repeat([]byte("A"), MaxSignature+1), ErrSignature},
			} {
				if _, err := Verify(try.keys, try.blob, try.sig); !errors.Is(err, try.want) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func bundles(t testing.TB, sig []byte) map[string][]byte {
	t.Helper()
	sum := sha256.Sum256(module)
	text := strings.TrimSpace(string(sig))
	marshal := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	message := func(algorithm string, digest []byte, sig string) map[string]any {
		return map[string]any{
			"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
			"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "x"}, "tlogEntries": []any{}},
			"messageSignature": map[string]any{
				"messageDigest": map[string]any{"algorithm": algorithm, "digest": base64.StdEncoding.EncodeToString(digest)}, "signature": sig,
			},
		}
	}
	return map[string][]byte{
		"cosign's own":      marshal(map[string]any{"base64Signature": text, "cert": "", "rekorBundle": nil}),
		"sigstore's":        marshal(message("SHA2_256", sum[:], text)),
		"of other bytes":    marshal(message("SHA2_256", make([]byte, 32), text)),
		"another algorithm": marshal(message("SHA2_512", make([]byte, 64), text)),
		"without one":       marshal(message("SHA2_256", sum[:], "")),
		"an attestation":    marshal(map[string]any{"mediaType": "x", "dsseEnvelope": map[string]any{"payload": ""}}),
		"empty":             []byte("{}"),
		"broken":            []byte("{"),
	}
}

func TestBothBundleFormatsAreRead(t *testing.T) {
	key, pub := pair(t, ECDSA)
	all := bundles(t, signed(t, key))
	for name, want := range map[string]error{
		"cosign's own": nil, "sigstore's": nil, "of other bytes": ErrUntrusted, "another algorithm": ErrSignature,
		"without one": ErrSignature, "an attestation": ErrSignature, "empty": ErrSignature, "broken": ErrSignature,
	} {
		if _, err := Verify([]crypto.PublicKey{pub}, module, all[name]); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func TestKeysOfOtherKindsAreRefused(t *testing.T) {
	encode := func(kind string, b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
	}
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, good, err := Generate(Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	marshal := func(key any) []byte {
		b, err := x509.MarshalPKIXPublicKey(key)
		return encode(publicBlock, b, err)
	}
	for name, text := range map[string][]byte{
		"RSA": marshal(&old.PublicKey), "P-384": marshal(&wide.PublicKey), "no PEM": []byte("key"), "nothing": nil,
		"a certificate": encode("CERTIFICATE", []byte{1}, nil), "rubbish": encode(publicBlock, []byte{1, 2}, nil), "two": append(good, good...),
	} {
		if _, err := ParsePublic(text); !errors.Is(err, ErrKey) {
			t.Errorf("public, %s: %v", name, err)
		}
		if _, err := ParsePrivate(text); !errors.Is(err, ErrKey) {
			t.Errorf("private, %s: %v", name, err)
		}
	}
	if _, _, err := Generate("rot13"); err == nil {
		t.Error("an unknown algorithm makes keys")
	}
}

func TestAPolicyIsClosedUnlessSomethingProvesTheModule(t *testing.T) {
	key, pub := pair(t, Ed25519)
	sig := signed(t, key)
	sum := fmt.Sprintf("%x", sha256.Sum256(module))
	other := strings.Repeat("0", 64)
	for name, test := range map[string]struct {
		policy Policy
		want   error
	}{
		"nothing":                         {Policy{}, ErrUnproven},
		"a signature without a key":       {Policy{Signature: sig}, ErrUnproven},
		"as it is asked to be let":        {Policy{Unproven: true}, nil},
		"the digest":                      {Policy{Digest: strings.ToUpper(sum)}, nil},
		"another digest":                  {Policy{Digest: other}, ErrDigest},
		"another digest, and unproven":    {Policy{Digest: other, Unproven: true}, ErrDigest},
		"signed":                          {Policy{Keys: []crypto.PublicKey{pub}, Signature: sig}, nil},
		"unsigned":                        {Policy{Keys: []crypto.PublicKey{pub}}, ErrUntrusted},
		"unsigned, and unproven":          {Policy{Keys: []crypto.PublicKey{pub}, Unproven: true}, ErrUntrusted},
		"unsigned, with the digest":       {Policy{Keys: []crypto.PublicKey{pub}, Digest: sum}, ErrUntrusted},
		"signed, and of another digest":   {Policy{Keys: []crypto.PublicKey{pub}, Signature: sig, Digest: other}, ErrDigest},
		"signed, and of the right digest": {Policy{Keys: []crypto.PublicKey{pub}, Signature: sig, Digest: sum}, nil},
	} {
		proof, err := Check(module, test.policy)
		if !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if proof.SHA256 != sum || proof.Pinned && err != nil && test.policy.Digest == other {
			t.Errorf("%s: %+v", name, proof)
		}
	}
}

// Nothing that is not the signature is taken for it, whatever it looks like.
func FuzzVerify(f *testing.F) {
	key, pub := pair(f, ECDSA)
	good := signed(f, key)
	f.Add(good)
	for _, b := range bundles(f, good) {
		f.Add(b)
	}
	want, _, _ := parse(good)
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := Verify([]crypto.PublicKey{pub}, module, file); err != nil {
			if !errors.Is(err, ErrSignature) && !errors.Is(err, ErrUntrusted) {
				t.Errorf("%v", err)
			}
			return
		}
		if sig, _, err := parse(file); err != nil || !bytes.Equal(sig, want) {
			t.Errorf("%q holds", file)
		}
	})
}

func FuzzKeys(f *testing.F) {
	for _, a := range []string{ECDSA, Ed25519} {
		private, public, err := Generate(a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(private)
		f.Add(public)
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParsePublic(text)
		_, _ = ParsePrivate(text)
	})
}
