package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driverswasm "github.com/bulkhead/bulkhead/drivers-wasm"
)

// A module that does not ship runs if it is signed by a key that is named, or
// has the digest that is named, and not if a byte of it is another.
func TestAModuleIsProvenBeforeItRuns(t *testing.T) {
	wasm, err := driverswasm.Load("vfs")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	module := filepath.Join(dir, "mine.wasm")
	put := func(file string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(module, wasm)
	c := newCLI(t)
	archive, _ := c.archive("app:1", "hello")
	config := filepath.Join(dir, "config.yaml")
	c.args[1] = config
	settings := func(text string) {
		t.Helper()
		put(config, fmt.Appendf(nil, "drivers: {mine: {path: %q, isolation: thread%s}}\n", module, text))
	}
	load := []string{"--driver", "mine", "image", "load", "-q", "-i", archive}
	for i, algorithm := range []string{"ecdsa-p256", "ed25519"} {
		key := filepath.Join(dir, fmt.Sprint("k", i))
		if out := c.good("driver", "keygen", "--algorithm", algorithm, "-o", key); out != key+".key\n"+key+".pub\n" {
			t.Errorf("keygen: %q", out)
		}
		if fi, err := os.Stat(key + ".key"); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", fi.Mode(), err)
		}
		c.bad(exitFailed, "exists", "driver", "keygen", "-o", key)
		settings(", keys: [" + key + ".pub]")
		os.Remove(module + ".sig")
		c.bad(exitFailed, "its signature", load...)
		if out := c.good("driver", "sign", "--key", key+".key", module); out != module+".sig\n" {
			t.Errorf("sign: %q", out)
		}
		if out := c.good("driver", "verify", "--key", key+".pub", module); !strings.Contains(out, ": ok\n") || !strings.Contains(out, "signed by SHA256:") {
			t.Errorf("verify: %q", out)
		}
		if out := c.good("driver", "inspect", "-f", "{{.Trust}}", "mine"); !strings.HasPrefix(out, "signed by SHA256:") {
			t.Errorf("inspect: %q", out)
		}
		c.good(load...)
	}
	c.bad(exitCorrupt, "signature does not hold", "driver", "verify", "--key", filepath.Join(dir, "k0.pub"), module)
	settings(", keys: [" + filepath.Join(dir, "k0.pub") + "]")
	c.bad(exitCorrupt, "signature does not hold", load...)
	settings(", keys: [" + filepath.Join(dir, "k0.pub") + ", " + filepath.Join(dir, "k1.pub") + "]")
	c.good(load...)
	put(module, append(wasm[:len(wasm):len(wasm)], 0))
	c.bad(exitCorrupt, "signature does not hold", load...)
	put(module, wasm)

	settings(fmt.Sprintf(`, sha256: "%x"`, sha256.Sum256(wasm)))
	c.good(load...)
	if out := c.good("driver", "ls", "--format", "{{.Name}}: {{.Trust}}"); !strings.Contains(out, "mine: pinned to its digest\n") || !strings.Contains(out, "vfs: ships with bulkhead\n") {
		t.Errorf("ls: %q", out)
	}
	settings(`, trust: none, sha256: "` + strings.Repeat("0", 64) + `"`)
	c.bad(exitCorrupt, "another digest", load...)
	c.bad(exitUsage, "no --key", "driver", "sign", module)
	c.bad(exitUsage, "no --key", "driver", "verify", module)
	c.bad(exitFailed, "not a usable key", "driver", "sign", "--key", filepath.Join(dir, "k0.pub"), module)
	c.bad(exitFailed, "not known: use ecdsa-p256 or ed25519", "driver", "keygen", "--algorithm", "rsa", "-o", filepath.Join(dir, "r"))
}
