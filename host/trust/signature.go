package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxSignature is how long a signature's file may be, in bytes.
const MaxSignature = 1 << 20

var (
	// ErrSignature: what should be a signature is none that can be read.
	ErrSignature = errors.New("not a signature")
	// ErrUntrusted: the bytes are not those that were signed, or no key that
	// is trusted signed them.
	ErrUntrusted = errors.New("signature does not hold")
)

// Sign signs bytes as cosign does: ECDSA over their SHA-256, Ed25519 over the
// bytes themselves; base64 on a line.
func Sign(key crypto.Signer, blob []byte) ([]byte, error) {
	var sig []byte
	var err error
	if _, pure := key.Public().(ed25519.PublicKey); pure {
		sig, err = key.Sign(rand.Reader, blob, crypto.Hash(0))
	} else {
		sum := sha256.Sum256(blob)
		sig, err = key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	if err != nil {
		return nil, err
	}
	return append([]byte(base64.StdEncoding.EncodeToString(sig)), '\n'), nil
}

// Verify checks a signature's file over bytes with keys, one of which has to
// have made it, and returns which. What else a bundle holds (certificates,
// entries of a transparency log) is not looked at: the keys alone are trusted.
func Verify(keys []crypto.PublicKey, blob, signature []byte) (crypto.PublicKey, error) {
	sig, digest, err := parse(signature)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(blob)
	if digest != nil && !bytes.Equal(digest, sum[:]) {
		return nil, fmt.Errorf("%w: the bundle is of other bytes, sha256:%x", ErrUntrusted, digest)
	}
	for _, key := range keys {
		if holds(key, blob, sum[:], sig) {
			return key, nil
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key is trusted", ErrUntrusted)
	}
	return nil, fmt.Errorf("%w: none of the %d trusted keys made it for these bytes", ErrUntrusted, len(keys))
}

func holds(key crypto.PublicKey, blob, sum, sig []byte) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum, sig)
	case ed25519.PublicKey:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(k, blob, sig)
	}
	return false
}

// bundle has the fields of both of cosign's bundle formats that matter here:
// its own (--bundle, before version 3) and sigstore's
// (application/vnd.dev.sigstore.bundle.v0.3+json).
type bundle struct {
	MediaType string `json:"mediaType"`
	Base64    string `json:"base64Signature"`
	Message   *struct {
		Digest *struct {
			Algorithm string `json:"algorithm"`
			Digest    []byte `json:"digest"`
		} `json:"messageDigest"`
		Signature []byte `json:"signature"`
	} `json:"messageSignature"`
	Envelope json.RawMessage `json:"dsseEnvelope"`
}

// parse reads a signature, and the digest that its bundle tells, if any.
func parse(file []byte) (sig, digest []byte, err error) {
	if len(file) > MaxSignature {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrSignature, len(file))
	}
	text := bytes.TrimSpace(file)
	if len(text) > 0 && text[0] == '{' {
		return parseBundle(text)
	}
	sig, err = base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(sig) == 0 {
		return nil, nil, fmt.Errorf("%w: neither base64 nor a bundle", ErrSignature)
	}
	return sig, nil, nil
}

func parseBundle(text []byte) (sig, digest []byte, err error) {
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	switch {
	case len(b.Envelope) > 0:
		return nil, nil, fmt.Errorf("%w: the bundle holds an attestation and not a signature of the file", ErrSignature)
	case b.Message != nil:
		// Of an Ed25519 signature cosign 3 tells an empty one.
		if d := b.Message.Digest; d != nil && (d.Algorithm != "" || len(d.Digest) > 0) {
			if d.Algorithm != "SHA2_256" || len(d.Digest) != sha256.Size {
				return nil, nil, fmt.Errorf("%w: digest algorithm %q is not known", ErrSignature, d.Algorithm)
			}
			digest = d.Digest
		}
		sig = b.Message.Signature
	case b.Base64 != "":
		if sig, err = base64.StdEncoding.DecodeString(b.Base64); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrSignature, err)
		}
	}
	if len(sig) == 0 {
		return nil, nil, fmt.Errorf("%w: the bundle has none", ErrSignature)
	}
	return sig, digest, nil
}
