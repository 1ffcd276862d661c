package main

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bulkhead/bulkhead/config"
	"github.com/bulkhead/bulkhead/host/trust"
)

// prove holds a driver's module against what the configuration asks of it.
// Nothing is asked of one that ships unless the configuration does.
func (d *drivers) prove(name string, wasm []byte) (trust.Proof, error) {
	settings := d.cfg.Drivers[name]
	policy := trust.Policy{Digest: settings.SHA256, Unproven: d.embedded(name) || settings.Trust == config.TrustNone}
	for _, file := range settings.Keys {
		key, err := readKey(file)
		if err != nil {
			return trust.Proof{}, fmt.Errorf("driver %s: %w", name, err)
		}
		policy.Keys = append(policy.Keys, key)
	}
	file := settings.Signature
	if file == "" {
		file = settings.Path + signatureSuffix
	}
	if len(policy.Keys) > 0 {
		sig, err := readSmall(file, trust.MaxSignature)
		if err != nil {
			return trust.Proof{}, fmt.Errorf("driver %s: its signature: %w", name, err)
		}
		policy.Signature = sig
	}
	proof, err := trust.Check(wasm, policy)
	if errors.Is(err, trust.ErrUnproven) {
		err = fmt.Errorf("%w: pin it (sha256: %s), name the keys that may have signed it (keys), or set trust: none for it", err, proof.SHA256)
	}
	if err != nil {
		return proof, fmt.Errorf("driver %s: %w", name, err)
	}
	return proof, nil
}

// trust says in words what proves a module.
func (d *drivers) trust(name string, wasm []byte) string {
	proof, err := d.prove(name, wasm)
	var by []string
	if proof.Pinned {
		by = append(by, "pinned to its digest")
	}
	if proof.Signer != "" {
		by = append(by, "signed by "+proof.Signer)
	}
	switch {
	case err != nil:
		return err.Error()
	case len(by) > 0:
		return strings.Join(by, ", ")
	case d.embedded(name):
		return "ships with bulkhead"
	}
	return "nothing (trust: none)"
}

const signatureSuffix = ".sig"

func readKey(file string) (crypto.PublicKey, error) {
	text, err := readSmall(file, trust.MaxSignature)
	if err != nil {
		return nil, err
	}
	key, err := trust.ParsePublic(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// readSmall reads a regular file of a bounded length.
func readSmall(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > limit {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", file, limit)
	}
	return io.ReadAll(io.LimitReader(f, limit+1))
}
