package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// Algorithms that keys are made for.
const (
	ECDSA   = "ecdsa-p256"
	Ed25519 = "ed25519"
)

const (
	publicBlock  = "PUBLIC KEY"  // PKIX, RFC 5280
	privateBlock = "PRIVATE KEY" // PKCS #8, RFC 5958
)

// ErrKey: the file holds no key that can be used.
var ErrKey = errors.New("not a usable key")

// Generate makes a key pair and returns both halves as PEM.
func Generate(algorithm string) (private, public []byte, err error) {
	var key crypto.Signer
	switch algorithm {
	case ECDSA:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, nil, fmt.Errorf("algorithm %q is not known: use %s or %s", algorithm, ECDSA, Ed25519)
	}
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	open, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: secret}),
		pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: open}), nil
}

// ParsePublic reads a public key in PEM.
func ParsePublic(text []byte) (crypto.PublicKey, error) {
	b, err := block(text, publicBlock)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, usable(key)
}

// ParsePrivate reads a private key in PEM, without a passphrase.
func ParsePrivate(text []byte) (crypto.Signer, error) {
	b, err := block(text, privateBlock)
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	key, ok := any.(crypto.Signer)
	if !ok {
		return nil, ErrKey
	}
	return key, usable(key.Public())
}

func block(text []byte, kind string) ([]byte, error) {
	b, rest := pem.Decode(text)
	switch {
	case b == nil:
		return nil, fmt.Errorf("%w: it is not PEM", ErrKey)
	case b.Type != kind:
		return nil, fmt.Errorf("%w: it is a %q, not a %q", ErrKey, b.Type, kind)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, fmt.Errorf("%w: it holds more than one", ErrKey)
	}
	return b.Bytes, nil
}

func usable(key crypto.PublicKey) error {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("%w: curve %s, only P-256 is taken", ErrKey, k.Curve.Params().Name)
	}
	return fmt.Errorf("%w: %T, only ECDSA P-256 and Ed25519 are taken", ErrKey, key)
}

// Fingerprint names a public key: the SHA-256 of its PKIX form, in base64.
func Fingerprint(key crypto.PublicKey) (string, error) {
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}
