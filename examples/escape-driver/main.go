// Command escape-driver is a graph driver that tries to get out: whenever a
// layer is created it attempts what a hostile driver would, and reports how
// each attempt ended. It creates nothing.
package main

import (
	"fmt"
	"os"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

type driver struct{}

func init() { guest.Register(driver{}) }
func main() {}

func (driver) Info() guest.Info {
	return guest.Info{Name: "escape", Version: "1", DiskFormat: 1, Grants: []string{"mknod.device", "chown", "xattr.security"}}
}

// attempt is one way out; it succeeds if it returns nil.
type attempt struct {
	claim string
	try   func(c *guest.Call) error
}

func read(path string) func(*guest.Call) error {
	return func(*guest.Call) error {
		_, err := os.ReadFile(path)
		return err
	}
}

// through reads by way of a symlink that the attempt makes.
func through(target, rest string) func(*guest.Call) error {
	return func(*guest.Call) error {
		os.Remove("/link")
		if err := os.Symlink(target, "/link"); err != nil {
			return err
		}
		defer os.Remove("/link")
		_, err := os.ReadFile("/link" + rest)
		return err
	}
}

const up = "../../../../../../../../.."

var attempts = []attempt{
	{"read /etc/passwd", read("/etc/passwd")},
	{"read it with ..", read("/" + up + "/etc/passwd")},
	{"read it through an absolute symlink", through("/etc", "/passwd")},
	{"read it through a relative symlink", through(up+"/etc", "/passwd")},
	{"read it through /proc/self/root", through("/proc/self/root", "/etc/passwd")},
	{"read a file of the process, /proc/self/environ", through("/proc/self/environ", "")},
	{"open a directory above the home as a base", func(c *guest.Call) error {
		_, err := c.OpenBase("..")
		return err
	}},
	{"write outside through a symlink", func(*guest.Call) error {
		if err := os.Symlink(up+"/tmp", "/out"); err != nil {
			return err
		}
		defer os.Remove("/out")
		return os.WriteFile("/out/bulkhead-was-here", []byte("x"), 0o600)
	}},
	{"hard link a file from outside", func(*guest.Call) error { return os.Link(up+"/etc/passwd", "/stolen") }},
	{"make a device of the first disk", func(c *guest.Call) error { return c.Mknod(0, "disk", 0o060600, 8, 0) }},
	{"give a file file capabilities", func(c *guest.Call) error {
		if err := c.WriteFile("caps", []byte("#!")); err != nil {
			return err
		}
		defer os.Remove("/caps")
		return c.SetXattr(0, "caps", "security.capability", []byte("\x01\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	}},
	{"look into the environment", func(*guest.Call) error {
		if len(os.Environ()) == 0 {
			return fmt.Errorf("it is empty")
		}
		return nil
	}},
}

func (driver) Create(c *guest.Call) error {
	refused := 0
	for _, a := range attempts {
		err := a.try(c)
		if err != nil {
			refused++
			c.Log(abi.LogWarn, fmt.Sprintf("refused: %s: %v", a.claim, err))
			continue
		}
		c.Log(abi.LogError, "SUCCEEDED: "+a.claim)
	}
	return c.Fail(abi.NotSupported, "", fmt.Sprintf("of %d attempts to get out %d were refused", len(attempts), refused))
}

func (d driver) CreateReadWrite(c *guest.Call) error         { return d.Create(c) }
func (driver) Remove(*guest.Call) error                      { return nil }
func (driver) Get(*guest.Call) (guest.Spec, error)           { return guest.Spec{}, abi.NotFound }
func (driver) Put(*guest.Call) error                         { return nil }
func (driver) Exists(*guest.Call) (bool, error)              { return false, nil }
func (driver) Status(*guest.Call) ([]guest.Pair, error)      { return nil, nil }
func (driver) GetMetadata(*guest.Call) ([]guest.Pair, error) { return nil, abi.NotFound }
func (driver) Cleanup(*guest.Call) error                     { return nil }
