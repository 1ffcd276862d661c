package main

import (
	"crypto"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/host/trust"
)

func (a *app) driverKeygen() *cobra.Command {
	var algorithm, out string
	cmd := &cobra.Command{
		Use:         "keygen",
		Short:       "Make a key pair to sign drivers with: PREFIX.key, which is secret, and PREFIX.pub",
		Args:        args(cobra.NoArgs),
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(*cobra.Command, []string) error {
			private, public, err := trust.Generate(algorithm)
			if err != nil {
				return err
			}
			if err := writeNew(out+".key", private, 0o600); err != nil {
				return err
			}
			if err := writeNew(out+".pub", public, 0o644); err != nil {
				return errors.Join(err, os.Remove(out+".key"))
			}
			fmt.Fprintf(a.out, "%s.key\n%s.pub\n", out, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", trust.ECDSA, trust.ECDSA+" or "+trust.Ed25519)
	cmd.Flags().StringVarP(&out, "output", "o", "bulkhead", "PREFIX of the two files")
	return cmd
}

// writeNew writes a file that must not be there: a key that is lost cannot be
// had again.
func writeNew(file string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func (a *app) driverSign() *cobra.Command {
	var key, out string
	cmd := &cobra.Command{
		Use:         "sign --key FILE MODULE",
		Short:       "Sign a driver's module, as cosign sign-blob does; the signature goes to MODULE.sig",
		Args:        args(cobra.ExactArgs(1)),
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(cmd *cobra.Command, files []string) error {
			if key == "" {
				return usage(cmd, errors.New("no --key to sign with; driver keygen makes one"))
			}
			text, err := readSmall(key, trust.MaxSignature)
			if err != nil {
				return err
			}
			signer, err := trust.ParsePrivate(text)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			module, err := readSmall(files[0], maxModule)
			if err != nil {
				return err
			}
			sig, err := trust.Sign(signer, module)
			if err != nil {
				return err
			}
			if out == "" {
				out = files[0] + signatureSuffix
			}
			if err := os.WriteFile(out, sig, 0o644); err != nil {
				return err
			}
			fmt.Fprintln(a.out, out)
			return nil
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the secret key, without a passphrase")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the signature there")
	return cmd
}

func (a *app) driverVerify() *cobra.Command {
	var keys []string
	var signature string
	cmd := &cobra.Command{
		Use:         "verify --key FILE [--signature FILE] MODULE",
		Short:       "Check the signature of a driver's module: base64, or a bundle as cosign writes them",
		Args:        args(cobra.ExactArgs(1)),
		Annotations: map[string]string{withoutConfig: "true"},
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(keys) == 0 {
				return usage(cmd, errors.New("no --key: name those that may have signed it"))
			}
			var trusted []crypto.PublicKey
			for _, file := range keys {
				key, err := readKey(file)
				if err != nil {
					return err
				}
				trusted = append(trusted, key)
			}
			module, err := readSmall(files[0], maxModule)
			if err != nil {
				return err
			}
			if signature == "" {
				signature = files[0] + signatureSuffix
			}
			sig, err := readSmall(signature, trust.MaxSignature)
			if err != nil {
				return err
			}
			proof, err := trust.Check(module, trust.Policy{Keys: trusted, Signature: sig})
			if err != nil {
				return fmt.Errorf("%s: %s: %w", files[0], signature, err)
			}
			fmt.Fprintf(a.out, "%s: ok\nsha256 %s\nsigned by %s\n", files[0], proof.SHA256, proof.Signer)
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "public key that may have signed it; may be repeated")
	cmd.Flags().StringVar(&signature, "signature", "", "file of the signature (default: MODULE.sig)")
	return cmd
}
