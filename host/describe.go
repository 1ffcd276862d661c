package host

import (
	"context"
	"fmt"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layerlock"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// Description is what a module says of itself.
type Description struct {
	Name         string
	Version      string
	DiskFormat   uint32
	Capabilities graphdriver.Capabilities
	Features     uint64
	Methods      []abi.Method
	// Grants are the powers it asks for.
	Grants []string

	methods uint64
}

// Has reports whether the module has a method.
func (d *Description) Has(m abi.Method) bool { return d.methods&(1<<m) != 0 }

// Describe asks a module what it is, in an instance of its own that has no
// file system and no grants.
func Describe(ctx context.Context, m engine.Module, limits calls.Limits) (*Description, error) {
	env := &calls.Env{Seals: calls.NewSeals(), Locks: layerlock.New(), Limits: limits.Fill()}
	args := abi.AppendFieldU64(nil, abi.FieldFeature, abi.FeatureAttrDigest)
	c := calls.New(ctx, env, calls.Params{Method: abi.MethodDescribe, Args: args})
	out, err := c.Finish(m.RunOnce(c.Context(), abi.ExportDescribe, c))
	if err != nil {
		return nil, err
	}
	d := &Description{}
	for _, f := range out.Fields {
		if err := d.take(f); err != nil {
			return nil, err
		}
	}
	for _, p := range abi.ProtoMethods() {
		if !d.Has(p) {
			return nil, fmt.Errorf("the module lacks %s, which every driver has: %w", p, graphdriver.ErrInvalid)
		}
	}
	for m := abi.Method(0); m < abi.MethodCount; m++ {
		if d.Has(m) {
			d.Methods = append(d.Methods, m)
		}
	}
	return d, nil
}

func (d *Description) take(f abi.Field) error {
	ok := true
	var n64 uint64
	switch f.Tag {
	case abi.FieldDriverName:
		d.Name = short(f.Value)
	case abi.FieldDriverVersion:
		d.Version = short(f.Value)
	case abi.FieldDiskFormat:
		d.DiskFormat, ok = f.U32()
	case abi.FieldCapabilities:
		n64, ok = f.U64()
		d.Capabilities.ReproducesExactDiffs = n64&abi.CapReproducesExactDiffs != 0
		d.Capabilities.DiffIndependentOfParent = n64&abi.CapDiffIndependentOfParent != 0
		d.Capabilities.Deltas = n64&abi.CapDeltas != 0
	case abi.FieldFeatures:
		d.Features, ok = f.U64()
		if unknown := d.Features &^ abi.FeatureAttrDigest; ok && unknown != 0 {
			return fmt.Errorf("the module needs features %#x, which this host does not have: %w", unknown, graphdriver.ErrNotSupported)
		}
	case abi.FieldMethods:
		d.methods, ok = f.U64()
	case abi.FieldGrant:
		d.Grants = append(d.Grants, short(f.Value))
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("describe: field %d is not what it should be: %w", f.Tag, graphdriver.ErrInvalid)
	}
	return nil
}

func short(b []byte) string { return fmt.Sprintf("%.64s", b) }
