package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// ValueError is a value that a key cannot have.
type ValueError struct {
	Key    string
	Text   string // what it is, and what it could be
	Origin string // as Setting has it
}

func (e *ValueError) Error() string {
	text := e.Key + " " + e.Text
	if place, ok := strings.CutPrefix(e.Origin, "file "); ok {
		return place + ": " + text
	}
	if strings.HasPrefix(e.Origin, "environment ") {
		return e.Origin + ": " + text
	}
	return text
}

func bad(key, format string, args ...any) error {
	return &ValueError{Key: key, Text: fmt.Sprintf(format, args...)}
}

// page is the unit of a module's memory; it cannot have more than maxPages.
const (
	page     = 64 << 10
	maxPages = 1 << 16
)

// validate checks values against each other and makes paths absolute.
func (c *Config) validate() error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		return bad("log-level", "%q: use debug, info, warn or error", c.LogLevel)
	}
	if !slices.Contains([]string{"text", "json"}, c.LogFormat) {
		return bad("log-format", "%q: use text or json", c.LogFormat)
	}
	if c.LockTimeout < 0 {
		return bad("lock-timeout", "%s: use 0 for no wait, or more", c.LockTimeout)
	}
	if c.Root == "" {
		return bad("root", "is not set and there is no home directory to put it in: pass --root")
	}
	for _, path := range []*string{&c.Root, &c.CacheDir, &c.RunDir, &c.TempDir} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
	}
	if err := c.Limits.validate(); err != nil {
		return err
	}
	for _, host := range slices.Sorted(maps.Keys(c.Registries)) {
		if err := c.Registries[host].validate(host); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Drivers)) {
		if err := c.Drivers[name].validate("drivers." + name); err != nil {
			return err
		}
	}
	return nil
}

// A window of zstd is at least minWindow, and what is more than maxWindow
// nobody holds in memory.
const (
	minWindow = 1 << 10
	maxWindow = 4 << 30
)

func (l Limits) validate() error {
	if l.Entries < 0 {
		return bad("limits.entries", "%d: use 0 for the default, or more", l.Entries)
	}
	if l.Window != 0 && (l.Window < minWindow || l.Window > maxWindow) {
		return bad("limits.window", "%s: use 0 for the default, or 1KiB to 4GiB", l.Window)
	}
	return nil
}

func (r Registry) validate(host string) error {
	key := "registries." + host
	if is := hostOf(host); is != host {
		if is != "" {
			return bad(key, "is %s, as images are named: use that", is)
		}
		return bad(key, "%q is not HOST[:PORT]", host)
	}
	for _, m := range r.Mirrors {
		if strings.Contains(m, "://") {
			return bad(key+".mirrors", "%q: leave the scheme out; registries.HOST.insecure allows plain http", m)
		}
		at, _, _ := strings.Cut(m, "/")
		if hostOf(at) == "" || strings.HasSuffix(m, "/") {
			return bad(key+".mirrors", "%q is not HOST[:PORT][/PATH]", m)
		}
	}
	return nil
}

// hostOf is how a registry's host is written in the names of images, "" for
// what is none.
func hostOf(s string) string {
	named, err := reference.ParseNormalizedNamed(s + "/a/b")
	if err != nil || reference.Path(named) != "a/b" {
		return ""
	}
	return reference.Domain(named)
}

func (d Driver) validate(key string) error {
	if d.Isolation != "" && d.Isolation != "thread" && d.Isolation != "process" {
		return bad(key+".isolation", "%q: use process or thread", d.Isolation)
	}
	if err := d.validateTrust(key); err != nil {
		return err
	}
	for _, o := range d.Options {
		if name, _, ok := strings.Cut(o, "="); !ok || name == "" {
			return bad(key+".options", "%q is not key=value", o)
		}
	}
	for _, g := range d.Grants {
		if !validGrant(g) {
			return bad(key+".grants", "%q: use chown, setid, mknod.whiteout, mknod.device, mount.overlay or xattr.PREFIX", g)
		}
	}
	return d.Limits.validate(key + ".limits.")
}

func (d Driver) validateTrust(key string) error {
	if d.Trust != "" && d.Trust != TrustNone {
		return bad(key+".trust", "%q: use none, or sha256 or keys to prove the module", d.Trust)
	}
	if _, err := hex.DecodeString(d.SHA256); err != nil || d.SHA256 != "" && len(d.SHA256) != 64 {
		return bad(key+".sha256", "%q is not a SHA-256 digest in hex", d.SHA256)
	}
	if d.Signature != "" && len(d.Keys) == 0 {
		return bad(key+".signature", "%s proves nothing without keys: name those that may have made it", d.Signature)
	}
	return nil
}

func validGrant(name string) bool {
	prefix, ok := strings.CutPrefix(name, "xattr.")
	return ok && prefix != "" || slices.Contains([]string{"chown", "setid", "mknod.whiteout", "mknod.device", "mount.overlay"}, name)
}

func (l DriverLimits) validate(key string) error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"deadline", l.Deadline}, {"stream-idle", l.StreamIdle}, {"compile", l.Compile}} {
		if d.value < 0 {
			return bad(key+d.name, "%s: use 0 for the default, or more", d.value)
		}
	}
	if l.OpenFiles < 0 {
		return bad(key+"open-files", "%d: use 0 for the default, or more", l.OpenFiles)
	}
	if l.Inodes < 0 {
		return bad(key+"inodes", "%d: use 0 for no bound, or more", l.Inodes)
	}
	if l.Instances < -1 {
		return bad(key+"instances", "%d: use -1 to keep none, 0 for the default, or more", l.Instances)
	}
	if l.Memory != 0 && (l.Memory < page || l.Memory > maxPages*page) {
		return bad(key+"memory", "%s: use 0 for the default, or 64KiB to 4GiB", l.Memory)
	}
	return nil
}
