package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tour is one run: what it works with and what it found.
type tour struct {
	ctx              context.Context
	bin, work, root  string
	id, driver       string
	took             map[string]time.Duration
	tar              time.Duration
	layers           int
	bytes            int64
	calls, crossings int64
	entries          int64
	left             int64
	refused          int
}

// bulkhead runs the program, shows the command and what it prints.
func (t *tour) bulkhead(args ...string) ([]byte, error) {
	fmt.Printf("\n$ bulkhead %s\n", strings.Join(args, " "))
	full := append([]string{"--root", t.root, "--log-level", "debug", "--log-format", "json"}, args...)
	cmd := exec.CommandContext(t.ctx, t.bin, full...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	start := time.Now()
	err := cmd.Run()
	if t.took == nil {
		t.took = map[string]time.Duration{}
	}
	t.took[strings.Join(args[:2], " ")+format(args)] = time.Since(start)
	said := t.count(log.Bytes())
	os.Stdout.Write(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", args[0]+" "+args[1], err, said)
	}
	return out.Bytes(), nil
}

func format(args []string) string {
	for i, a := range args {
		if a == "--format" && strings.HasSuffix(args[i+1], "-archive") {
			return " " + args[i+1]
		}
	}
	return ""
}

// count adds up what the host logged of the driver's calls, and returns what
// else was said.
func (t *tour) count(log []byte) string {
	var other []string
	for s := bufio.NewScanner(bytes.NewReader(log)); s.Scan(); {
		var l struct {
			Msg                                                   string `json:"msg"`
			Crossings, Entries, OwnersLeft, NodesLeft, XattrsLeft int64
		}
		if json.Unmarshal(s.Bytes(), &l) != nil {
			other = append(other, s.Text())
			continue
		}
		if l.Msg == "driver call" {
			t.calls++
			t.crossings += l.Crossings
			t.entries += l.Entries
			t.left += l.OwnersLeft + l.NodesLeft + l.XattrsLeft
		}
	}
	return strings.Join(other, "; ")
}

func (t *tour) load(image string) error {
	if _, err := t.bulkhead("image", "load", "-i", image); err != nil {
		return err
	}
	out, err := t.bulkhead("image", "ls", "-q", "--no-trunc")
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return errors.New("image ls lists nothing after a load")
	}
	t.id = ids[0]
	out, err = t.bulkhead("image", "inspect", "--format", "{{.GraphDriver.Name}}", t.id)
	t.driver = strings.TrimSpace(string(out))
	return err
}

func (t *tour) list() error {
	for _, args := range [][]string{{"image", "ls"}, {"image", "history", t.id}, {"layer", "ls"}} {
		if _, err := t.bulkhead(args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) verify() error {
	_, err := t.bulkhead("image", "verify", t.id)
	return err
}

// save exports the image and compares each of its layers with what came in.
func (t *tour) save(in *archive, format string) error {
	path := filepath.Join(t.work, format+".tar")
	if _, err := t.bulkhead("image", "save", "--format", format, "-o", path, t.id); err != nil {
		return err
	}
	out, err := openArchive(path)
	if err != nil {
		return err
	}
	layers, bytes, err := compare(in, out, t.id)
	if err != nil {
		return fmt.Errorf("%s: %w", format, err)
	}
	t.layers, t.bytes = layers, bytes
	say("compared: %d layers, %s, and the configuration: every byte is what came in", layers, size(bytes))
	return os.Remove(path)
}

// baseline extracts the same layers, compressed as they came, with tar: what a
// person would have done by hand.
func (t *tour) baseline(in *archive) error {
	for i, l := range in.order {
		raw := filepath.Join(t.work, fmt.Sprintf("layer%d.tar", i))
		if err := in.extract(l, raw); err != nil {
			return err
		}
		dir := filepath.Join(t.work, fmt.Sprintf("tar%d", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		start := time.Now()
		cmd := exec.CommandContext(t.ctx, "tar", "-xf", raw, "-C", dir)
		cmd.Run() // as nobody it complains of owners and devices; the time is what counts
		t.tar += time.Since(start)
		if err := errors.Join(os.Remove(raw), os.RemoveAll(dir)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) summary() {
	load := t.took["image load"]
	say("\nSummary")
	say("  image            %s", t.id)
	say("  layers           %d, %s uncompressed", t.layers, size(t.bytes))
	say("  driver           %s", t.driver)
	say("  load             %s: parsed, hashed, stored through wasm, durable", round(load))
	say("  tar -xf          %s for the same layers: neither hashed nor durable", round(t.tar))
	if t.tar > 0 {
		why := ""
		if t.driver == "vfs" {
			why = " (vfs gives each layer a copy of its parent, tar does not)"
		}
		say("  ratio            %.2f%s", load.Seconds()/t.tar.Seconds(), why)
	}
	say("  verify           %s", round(t.took["image verify"]))
	say("  save             %s (OCI), %s (Docker), each byte verified", round(t.took["image save oci-archive"]), round(t.took["image save docker-archive"]))
	say("  sandbox          %d calls into the driver with %d crossings for %d entries; allowed: its own directory", t.calls, t.crossings, t.entries)
	say("                   refused: %d of %d attempts of a hostile driver to get out", t.refused, t.refused)
	if t.left > 0 {
		say("  unprivileged     %d owners, devices or attributes stay in the archives' record only", t.left)
	}
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func size(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
