package host

import (
	"fmt"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
	"github.com/bulkhead/bulkhead/host/mount"
)

// Isolation is where a module runs.
type Isolation string

const (
	// Thread runs the module in this process.
	Thread Isolation = "thread"
	// Process runs it in children of this process, one for each call in
	// flight, that have nothing but its memory and a socket.
	Process Isolation = "process"
)

// Config is one driver: a module, the directory it works in, and what it may
// do there. It is a value; Open checks it.
type Config struct {
	// Name is the driver's name from configuration. It names directories.
	Name string
	// Home is the driver's directory, by default <root>/<name>.
	Home string
	// State is where the host keeps its own records of this driver; they are
	// made on writing only.
	State string
	// Cache is where compiled code is kept, "" for nowhere.
	Cache string
	// Scratch is where calls get their /tmp, by default the system's.
	Scratch string
	// Embedded says that the module ships with this program. Isolation is
	// where it runs, "" for IsolationOf: it has to agree with the Compile that
	// Open is given.
	Embedded  bool
	Isolation Isolation
	// Options go to the driver as they are.
	Options []graphdriver.Pair
	// Grants are the powers that the driver is given.
	Grants []string
	// Limits bound each call, Engine the module.
	Limits calls.Limits
	Engine engine.Limits
	// ReadOnly opens the home for reading: nothing is made, setup is not run,
	// and calls that write are refused.
	ReadOnly bool
	// Unprivileged: this process may not give files to others.
	Unprivileged bool
	// Mounts makes and remembers mounts; without it no driver can have one.
	Mounts *mount.Records
	Log    *zap.Logger
}

// reserved are names that a driver's directory may not have: what else lies
// under Docker's root, and under ours.
var reserved = []string{
	"image", "containers", "volumes", "network", "plugins", "buildkit", "builder", "swarm", "runtimes",
	"tmp", "trust", "containerd", "bulkhead", "engine-id", "graph", "repositories",
	"lock", "blobs",
}

// ValidateName accepts a driver's name: what a directory can be called without
// standing in another's way.
func ValidateName(name string) error {
	if name == "" || len(name) > 64 || name[0] < 'a' || name[0] > 'z' ||
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return fmt.Errorf("driver name %q: use up to 64 of a-z, 0-9, '-', '_', '.', beginning with a letter: %w", name, graphdriver.ErrInvalid)
	}
	for _, r := range reserved {
		if name == r {
			return fmt.Errorf("driver name %q is reserved; choose another: %w", name, graphdriver.ErrInvalid)
		}
	}
	return nil
}

// IsolationOf is where a driver runs unless something else is asked for: one
// that ships here, any other in a process of its own.
func IsolationOf(embedded bool) Isolation {
	if embedded {
		return Thread
	}
	return Process
}

func (c Config) fill() (Config, error) {
	if err := ValidateName(c.Name); err != nil {
		return c, err
	}
	if !filepath.IsAbs(c.Home) || !filepath.IsAbs(c.State) {
		return c, fmt.Errorf("driver %s: home %q and state %q must be absolute: %w", c.Name, c.Home, c.State, graphdriver.ErrInvalid)
	}
	if c.Isolation == "" {
		c.Isolation = IsolationOf(c.Embedded)
	}
	if c.Isolation != Thread && c.Isolation != Process {
		return c, fmt.Errorf("driver %s: isolation %q is not known; use process or thread: %w", c.Name, c.Isolation, graphdriver.ErrInvalid)
	}
	c.Limits = c.Limits.Fill()
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	return c, nil
}
