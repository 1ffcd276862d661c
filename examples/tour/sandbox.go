package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// sandbox loads the image with a driver that tries to get out, and counts what
// became of it.
func (t *tour) sandbox() error {
	wasm := filepath.Join(t.work, "escape.wasm")
	build := exec.CommandContext(t.ctx, "go", "build", "-buildmode=c-shared", "-o", wasm, "./examples/escape-driver")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the hostile driver: %w: %s", err, out)
	}
	config := filepath.Join(t.work, "escape.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "drivers:\n  escape:\n    path: %s\n    trust: none\n", wasm), 0o600); err != nil {
		return err
	}
	small := filepath.Join(t.work, "small")
	b := &imageBuilder{dir: small}
	if err := os.MkdirAll(filepath.Join(small, "blobs/sha256"), 0o700); err != nil {
		return err
	}
	if err := b.layer("nothing", func(l *layerBuilder) error { return l.file("f", "x") }); err != nil {
		return err
	}
	if err := b.finish(small + ".tar"); err != nil {
		return err
	}
	args := []string{"--config", config, "--driver", "escape", "image", "load", "-i", small + ".tar"}
	fmt.Printf("\n$ bulkhead %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(t.ctx, t.bin, append([]string{"--root", filepath.Join(t.work, "hostile"), "--log-format", "json"}, args...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("a load through a hostile driver ended with %v", err)
	}
	for s := bufio.NewScanner(&log); s.Scan(); {
		line := s.Text()
		var l struct{ Msg string }
		if json.Unmarshal(s.Bytes(), &l) == nil {
			line = l.Msg
		}
		say("  %s", line)
		if strings.HasPrefix(line, "refused: ") {
			t.refused++
		}
		if strings.HasPrefix(line, "SUCCEEDED") {
			return errors.New("the hostile driver got out: " + line)
		}
	}
	if t.refused == 0 {
		return errors.New("the hostile driver did not run")
	}
	return nil
}
