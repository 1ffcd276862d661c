package v1

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// Owner is whom the directories belong to that are made.
type Owner struct{ UID, GID int }

// Options say which graph to open and how.
type Options struct {
	// Root is the directory that holds graph/, as /var/lib/docker does.
	Root string
	// DriverName names the directory beneath Root that is the driver's.
	DriverName string
	// Driver holds the layers.
	Driver graphdriver.Driver
	// ReadOnly opens without writing anything into Root; every mutation is
	// image.ErrReadOnly.
	ReadOnly bool
	// TempDir takes the temporary archives of a graph that is open for reading
	// only; "" is the system's.
	TempDir string
	// Owner, if not nil, owns the directories that are made: root as a user
	// namespace has it.
	Owner *Owner
	// Version is noted in images that Create makes, as the version of Docker
	// that made them.
	Version string
	// Entries bounds the entries of a layer's archive, Window the memory that a
	// zstd stream may ask for; 0 is no bound and the usual one.
	Entries, Window int64
	// Log may be nil.
	Log *zap.Logger
	// Step, if not nil, is told the name of each step of a change when it is
	// done, so that a test may stop the world there.
	Step func(name string)
	// Now is the clock, by default time.Now.
	Now func() time.Time
}

func (o Options) fill() (Options, error) {
	if o.Root == "" {
		return o, errors.New("graph: no root directory given")
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return o, fmt.Errorf("graph: %w", err)
	}
	o.Root = root
	if o.DriverName == "" || o.DriverName == "." || o.DriverName == ".." || strings.ContainsAny(o.DriverName, "/\x00") {
		return o, fmt.Errorf("graph: %q is no name for a driver", o.DriverName)
	}
	if o.Driver == nil {
		return o, errors.New("graph: no driver given")
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
