package trust

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Policy is what a module has to show before it may run.
type Policy struct {
	// Digest is the SHA-256 that it must have, in hex, "" for any.
	Digest string
	// Keys are those that may have signed it; with none a signature proves
	// nothing.
	Keys []crypto.PublicKey
	// Signature is the content of the signature's file, nil without one.
	Signature []byte
	// Unproven lets it run although it shows neither.
	Unproven bool
}

var (
	// ErrDigest: the module is not the one that was named.
	ErrDigest = errors.New("another digest than the one it is pinned to")
	// ErrUnproven: nothing says where the module comes from.
	ErrUnproven = errors.New("nothing proves where it comes from")
)

// Proof is what a module showed.
type Proof struct {
	SHA256 string // of its bytes, in hex
	Pinned bool   // by its digest
	// Signer is the fingerprint of the key that signed it, "" for none.
	Signer string
}

// Check holds a module against a policy. The bytes that it takes are those
// that must run: they are not read again.
func Check(module []byte, p Policy) (Proof, error) {
	sum := sha256.Sum256(module)
	proof := Proof{SHA256: hex.EncodeToString(sum[:])}
	if p.Digest != "" {
		if !strings.EqualFold(p.Digest, proof.SHA256) {
			return proof, fmt.Errorf("%w: it has sha256 %s and should have %s", ErrDigest, proof.SHA256, strings.ToLower(p.Digest))
		}
		proof.Pinned = true
	}
	if len(p.Keys) > 0 {
		if p.Signature == nil {
			return proof, fmt.Errorf("%w: it has to be signed, and there is no signature", ErrUntrusted)
		}
		key, err := Verify(p.Keys, module, p.Signature)
		if err != nil {
			return proof, err
		}
		if proof.Signer, err = Fingerprint(key); err != nil {
			return proof, err
		}
	}
	if !proof.Pinned && proof.Signer == "" && !p.Unproven {
		return proof, ErrUnproven
	}
	return proof, nil
}
