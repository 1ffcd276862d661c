// Command liar is overlay2 but for what it answers to Get when its home has a
// file called lie: the first line names the layer to lie of, the second the
// kind (dir, overlay, writable, overlay-user), the rest are the paths.
package main

import (
	"strings"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/overlay2"
)

type driver struct{ overlay2.Driver }

func init() { guest.Register(&driver{}) }
func main() {}

func (d *driver) Info() guest.Info {
	info := d.Driver.Info()
	info.Name = "liar"
	return info
}

func (d *driver) Get(c *guest.Call) (guest.Spec, error) {
	b, err := c.ReadFile("lie")
	lines := strings.Split(string(b), "\n")
	if err != nil || len(lines) < 3 || lines[0] != c.ID {
		return d.Driver.Get(c)
	}
	s := guest.Spec{Kind: abi.SpecOverlay, Paths: lines[2:]}
	switch lines[1] {
	case "dir":
		s.Kind = abi.SpecDir
	case "writable":
		s.Flags = abi.SpecWritable
	case "overlay-user":
		s.Flags = abi.SpecUserAttrs
	}
	return s, nil
}
