// Package trust decides whether the bytes of a module may run: by their
// digest, or by a signature that a key makes good. It reads what
// `cosign sign-blob --key` writes (the signature in base64, and both bundle
// formats), for ECDSA P-256 and Ed25519. It imports nothing of this module.
package trust
