package guest

import (
	"unsafe"

	"github.com/bulkhead/bulkhead/abi"
)

// Call is one call as a driver sees it: the arguments, and what the host does
// for it. It is gone when the method returns.
type Call struct {
	// ID, Parent, MountLabel and Name are empty where the method has none.
	ID, Parent, MountLabel string
	// Name is the file that ReadFile asks for.
	Name string
	// ReadOnly tells Get that nothing may be written to the layer: its spec
	// must not be writable.
	ReadOnly bool
	// Options are per layer for Create and CreateReadWrite, per driver for
	// Setup and Configure.
	Options []Pair
	// IDMaps, Facts and HostFeatures come with Setup and Configure.
	IDMaps       []IDMap
	Facts        []Pair
	HostFeatures uint64
	// Created is when the creation of ID from Parent ended, if known.
	Created Created

	in     *Instance
	host   Host
	method abi.Method
	failed bool
	emits  func(h Host, rec []byte) int32
}

// Created is a moment before which nothing of a layer has changed.
type Created struct {
	Sec   int64
	Nsec  uint32
	Known bool
}

// IDMap is one range of a user namespace.
type IDMap struct {
	GID                    bool
	Container, Host, Count uint32
}

func (c *Call) parseArgs() error {
	b, err := c.pull(func(buf []byte) int32 { return c.host.CallArgs(buf) })
	for err == nil && len(b) > 0 {
		rec, rest, ok, code := abi.Next(b)
		if !ok {
			return code
		}
		b = rest
		if f, ok := abi.ParseField(rec); ok {
			err = c.arg(f)
		}
	}
	return err
}

func (c *Call) arg(f abi.Field) error {
	ok := true
	switch f.Tag {
	case abi.FieldID:
		c.ID = string(f.Value)
	case abi.FieldParent:
		c.Parent = string(f.Value)
	case abi.FieldMountLabel:
		c.MountLabel = string(f.Value)
	case abi.FieldName:
		c.Name = string(f.Value)
	case abi.FieldOption, abi.FieldFact:
		var p Pair
		p.Key, p.Value, ok = f.Pair()
		if f.Tag == abi.FieldOption {
			c.Options = append(c.Options, p)
		} else {
			c.Facts = append(c.Facts, p)
		}
	case abi.FieldCreated:
		c.Created.Sec, c.Created.Nsec, ok = f.Time()
		c.Created.Known = ok
	case abi.FieldIDMap:
		var m IDMap
		m.GID, m.Container, m.Host, m.Count, ok = f.IDMap()
		c.IDMaps = append(c.IDMaps, m)
	case abi.FieldReadOnly:
		var n uint32
		n, ok = f.U32()
		c.ReadOnly = n == 1
	case abi.FieldFeature:
		c.HostFeatures, ok = f.U64()
	}
	if !ok {
		return abi.Invalid
	}
	return nil
}

// Fail tells why the call fails and returns code as the error to return.
// subject is the path, option or id that it is about, or "".
func (c *Call) Fail(code abi.Code, subject, text string) error {
	c.failed = true
	c.host.Fail(int32(code), raw(subject), raw(text))
	return code
}

// Log writes one line to the host's log. level is an abi.Log* value.
func (c *Call) Log(level uint32, text string) { c.host.Log(level, raw(text)) }

// Lock takes a lock of the driver's own for the rest of the call. Locks come
// before the first entry or emit, in byte order of their names.
func (c *Call) Lock(name string, exclusive bool) error {
	mode := abi.LockShared
	if exclusive {
		mode = abi.LockExclusive
	}
	return check(c.host.Lock(raw(name), mode))
}

// Ext calls an operation that a later minor version added.
func (c *Call) Ext(op uint32, rec []byte) (int32, error) {
	n := c.host.Ext(op, rec)
	return n, check(n)
}

// pull calls an import that fills a buffer, with a larger one if need be. The
// result is valid until the next pull.
func (c *Call) pull(from func(buf []byte) int32) ([]byte, error) {
	for {
		n := from(c.in.in)
		if n < 0 {
			return nil, abi.Code(n)
		}
		if int(n) <= len(c.in.in) {
			return c.in.in[:n], nil
		}
		c.in.in = make([]byte, n)
	}
}

// raw is s as bytes that nobody may write to.
func raw(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
