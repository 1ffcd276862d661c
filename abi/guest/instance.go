package guest

import (
	"errors"
	"slices"

	"github.com/bulkhead/bulkhead/abi"
)

// Instance runs one driver's methods, one at a time, and keeps the buffers
// that calls share. A module has one; natively each goroutine needs its own.
type Instance struct {
	driver Driver
	in     []byte // from the host: entries, listings
	out    []byte // to the host: decisions, emits
	req    []byte // to the host: requests that are answered into in
	names  []abi.Name
	call   Call
}

// listed is where a listing's names are parsed into, many at a time.
func (in *Instance) listed() []abi.Name {
	if in.names == nil {
		in.names = make([]abi.Name, 64)
	}
	return in.names
}

// NewInstance prepares a driver for calls.
func NewInstance(d Driver) *Instance {
	return &Instance{
		driver: d,
		in:     make([]byte, abi.MaxRecord),
		out:    make([]byte, 0, abi.MaxRecord),
	}
}

// Run serves one call: what the export of m does. It returns what the export
// returns.
func (in *Instance) Run(h Host, m abi.Method) int32 {
	in.out, in.req = in.out[:0], in.req[:0]
	in.call = Call{in: in, host: h, method: m}
	c := &in.call
	if err := c.parseArgs(); err != nil {
		return int32(codeOf(err))
	}
	err := c.run()
	if err == nil {
		return int32(abi.OK)
	}
	var code abi.Code
	if !errors.As(err, &code) {
		code = abi.IO
	}
	if !c.failed && err.Error() != code.Error() {
		_ = c.Fail(code, "", err.Error())
	}
	return int32(code)
}

func codeOf(err error) abi.Code {
	var code abi.Code
	if errors.As(err, &code) {
		return code
	}
	return abi.IO
}

// run finds the method and hands its result over.
func (c *Call) run() error {
	d := c.in.driver
	if methods(d)&(1<<c.method) == 0 {
		return abi.NotSupported
	}
	switch c.method {
	case abi.MethodDescribe:
		return c.describe(d)
	case abi.MethodSetup:
		return d.(Setupper).Setup(c)
	case abi.MethodConfigure:
		return d.(Configurer).Configure(c)
	case abi.MethodCreate:
		if err := c.knowsOptions(d); err != nil {
			return err
		}
		return d.Create(c)
	case abi.MethodCreateReadWrite:
		if err := c.knowsOptions(d); err != nil {
			return err
		}
		return d.CreateReadWrite(c)
	case abi.MethodRemove:
		return d.Remove(c)
	case abi.MethodGet:
		spec, err := d.Get(c)
		if err != nil {
			return err
		}
		return c.result(abi.AppendFieldSpec(c.in.out[:0], spec))
	case abi.MethodPut:
		return d.Put(c)
	case abi.MethodExists:
		ok, err := d.Exists(c)
		if err != nil {
			return err
		}
		var n uint32
		if ok {
			n = 1
		}
		return c.result(abi.AppendFieldU32(c.in.out[:0], abi.FieldExists, n))
	case abi.MethodStatus:
		return c.pairs(d.Status(c))
	case abi.MethodGetMetadata:
		return c.pairs(d.GetMetadata(c))
	case abi.MethodCleanup:
		return d.Cleanup(c)
	case abi.MethodDiff:
		return c.flushAfter(d.(Differ).Diff(c))
	case abi.MethodChanges:
		return c.flushAfter(d.(Changer).Changes(c))
	case abi.MethodApplyDiff:
		return d.(Applier).ApplyDiff(c)
	case abi.MethodDiffSize:
		n, err := d.(Sizer).DiffSize(c)
		if err != nil {
			return err
		}
		return c.result(abi.AppendFieldU64(c.in.out[:0], abi.FieldSize, uint64(n)))
	case abi.MethodDiffGetter:
		base, err := d.(Getter).DiffGetter(c)
		if err != nil {
			return err
		}
		return c.result(abi.AppendFieldString(c.in.out[:0], abi.FieldBase, base))
	case abi.MethodReadFile:
		return d.(FileReader).ReadFile(c)
	case abi.MethodRepair:
		return d.(Repairer).Repair(c)
	}
	return abi.NotSupported
}

// knowsOptions refuses a storage option that the driver did not name.
func (c *Call) knowsOptions(d Driver) error {
	if len(c.Options) == 0 {
		return nil
	}
	known := d.Info().StorageOptions
	for _, o := range c.Options {
		if !slices.Contains(known, o.Key) {
			return c.Fail(abi.NotSupported, o.Key, "the driver has no such storage option")
		}
	}
	return nil
}

func (c *Call) describe(d Driver) error {
	info := d.Info()
	b := abi.AppendFieldString(c.in.out[:0], abi.FieldDriverName, info.Name)
	b = abi.AppendFieldString(b, abi.FieldDriverVersion, info.Version)
	b = abi.AppendFieldU32(b, abi.FieldDiskFormat, info.DiskFormat)
	b = abi.AppendFieldU64(b, abi.FieldCapabilities, info.Capabilities)
	b = abi.AppendFieldU64(b, abi.FieldFeatures, abi.FeatureAttrDigest)
	b = abi.AppendFieldU64(b, abi.FieldMethods, methods(d))
	for _, g := range info.Grants {
		b = abi.AppendFieldString(b, abi.FieldGrant, g)
	}
	return c.result(b)
}

func (c *Call) pairs(list []Pair, err error) error {
	if err != nil {
		return err
	}
	b := c.in.out[:0]
	for _, p := range list {
		b = abi.AppendFieldPair(b, abi.FieldPair, p.Key, p.Value)
	}
	return c.result(b)
}

func (c *Call) result(b []byte) error { return check(c.host.Result(b)) }

// check turns what an import answered into an error.
func check(ret int32) error {
	if ret < 0 {
		return abi.Code(ret)
	}
	return nil
}
