package overlay2

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

// Driver implements guest.Driver and everything optional but FileReader. What
// it keeps is what the host says in Configure, which is the same each time.
type Driver struct {
	facts atomic.Pointer[[]guest.Pair]
}

var _ interface {
	guest.Driver
	guest.Setupper
	guest.Configurer
	guest.Differ
	guest.Changer
	guest.Applier
	guest.Sizer
	guest.Getter
	guest.Repairer
} = (*Driver)(nil)

// Info implements guest.Driver.
func (*Driver) Info() guest.Info {
	return guest.Info{
		Name: "overlay2", Version: "1.0.0", DiskFormat: 1,
		Capabilities: abi.CapDeltas | abi.CapDiffIndependentOfParent,
		Grants:       []string{"mount.overlay", "mknod.whiteout", "xattr.trusted", "xattr.user"},
	}
}

// Configure implements guest.Configurer.
func (d *Driver) Configure(c *guest.Call) error {
	for _, o := range c.Options {
		return c.Fail(abi.NotSupported, o.Key, "the driver has no such option")
	}
	facts := slices.Clone(c.Facts)
	d.facts.Store(&facts)
	return nil
}

func (d *Driver) fact(key string) string {
	facts := d.facts.Load()
	if facts == nil {
		return ""
	}
	for _, f := range *facts {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// user reports whether the marks of overlay lie in user.overlay.*.
func (d *Driver) user() bool { return d.fact("overlay-attrs") == "user" }

// Setup implements guest.Setupper: it refuses a home where overlay does not
// work, so that another driver is chosen for it.
func (d *Driver) Setup(c *guest.Call) error {
	if err := d.Configure(c); err != nil {
		return err
	}
	if why := d.fact("overlay"); why != "yes" {
		return c.Fail(abi.NotSupported, "", "overlay cannot be used here: "+why)
	}
	if d.fact("d_type") == "no" {
		return c.Fail(abi.IncompatibleFS, d.fact("fs"), "the file system does not tell types of names (d_type), which overlay needs")
	}
	return c.MakeDirAll(0, links, 0o700)
}

// Get implements guest.Driver. A layer with nothing beneath is a directory.
// One that others were made on is never an upper directory again.
func (d *Driver) Get(c *guest.Call) (guest.Spec, error) {
	s := guest.Spec{Kind: abi.SpecOverlay}
	if d.user() {
		s.Flags |= abi.SpecUserAttrs
	}
	chain, err := d.chain(c, c.ID)
	if err != nil {
		return s, err
	}
	if len(chain) == 1 {
		return guest.Dir(chain[0]), nil
	}
	fixed := c.ReadOnly
	if !fixed {
		if fixed, err = exists(c, c.ID+"/committed"); err != nil {
			return s, err
		}
	}
	if !fixed {
		s.Flags |= abi.SpecWritable
		s.Paths = append(s.Paths, chain[0], c.ID+"/work")
		chain = chain[1:]
	}
	s.Paths = append(s.Paths, chain...)
	return s, nil
}

// Put implements guest.Driver: Get holds nothing.
func (*Driver) Put(*guest.Call) error { return nil }

// Exists implements guest.Driver.
func (*Driver) Exists(c *guest.Call) (bool, error) { return c.DirExists(c.ID) }

// Status implements guest.Driver.
func (d *Driver) Status(*guest.Call) ([]guest.Pair, error) {
	user := "false"
	if d.user() {
		user = "true"
	}
	return []guest.Pair{
		{Key: "Backing Filesystem", Value: d.fact("fs")},
		{Key: "Supports d_type", Value: "true"},
		{Key: "Native Overlay Diff", Value: "true"},
		{Key: "userxattr", Value: user},
	}, nil
}

// GetMetadata implements guest.Driver: moby's keys. A layer whose short name
// leads elsewhere has none: nothing could be made on top of it.
func (d *Driver) GetMetadata(c *guest.Call) ([]guest.Pair, error) {
	chain, err := d.chain(c, c.ID)
	if err == nil {
		err = checkLink(c)
	}
	if err != nil {
		return nil, err
	}
	out := []guest.Pair{
		{Key: "WorkDir", Value: "/" + c.ID + "/work"},
		{Key: "MergedDir", Value: "/" + c.ID + "/merged"},
		{Key: "UpperDir", Value: "/" + c.ID + "/diff"},
	}
	if len(chain) > 1 {
		out = append(out, guest.Pair{Key: "LowerDir", Value: "/" + strings.Join(chain[1:], ":/")})
	}
	return out, nil
}

// Cleanup implements guest.Driver: there is nothing to release.
func (*Driver) Cleanup(*guest.Call) error { return nil }

// DiffGetter implements guest.Getter.
func (*Driver) DiffGetter(c *guest.Call) (string, error) {
	dir := diffDir(c.ID)
	ok, err := c.DirExists(dir)
	if err == nil && !ok {
		err = notFound(c, c.ID)
	}
	return dir, err
}
