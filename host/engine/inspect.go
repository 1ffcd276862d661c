package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/bulkhead/bulkhead/abi"
)

// imported is one import as the binary names it.
type imported struct {
	module, name string
	kind         byte // 0 is a function
}

// errShort: the binary ends inside its import section.
var errShort = errors.New("import section is cut short")

// importSection reads a module's imports without compiling it: a module that
// is going to be refused costs nothing, and wazero lists functions only.
func importSection(wasm []byte) ([]imported, error) {
	if len(wasm) < 8 || string(wasm[:4]) != "\x00asm" || binary.LittleEndian.Uint32(wasm[4:]) != 1 {
		return nil, errors.New("not a WebAssembly module of version 1")
	}
	r := &section{b: wasm[8:]}
	for len(r.b) > 0 {
		id := r.byte()
		body := r.bytes(r.u32())
		if r.err != nil {
			return nil, r.err
		}
		if id == 2 {
			return (&section{b: body}).imports()
		}
	}
	return nil, nil
}

// section reads what a section is made of; after an error all reads are zero.
type section struct {
	b   []byte
	err error
}

func (r *section) imports() (list []imported, err error) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		im := imported{module: string(r.bytes(r.u32())), name: string(r.bytes(r.u32())), kind: r.byte()}
		switch im.kind {
		case 0: // function: type index
			r.u32()
		case 1: // table: element type, limits
			r.byte()
			r.limits()
		case 2: // memory
			r.limits()
		case 3: // global: type, mutability
			r.byte()
			r.byte()
		default:
			return nil, fmt.Errorf("import %q %q has kind %d", im.module, im.name, im.kind)
		}
		list = append(list, im)
	}
	return list, r.err
}

func (r *section) limits() {
	if r.byte()&1 != 0 {
		r.u32()
	}
	r.u32()
}

func (r *section) byte() byte {
	b := r.bytes(1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *section) bytes(n uint32) []byte {
	if r.err == nil && uint64(n) > uint64(len(r.b)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *section) u32() uint32 {
	v, n := binary.Uvarint(r.b[:min(len(r.b), 5)])
	if r.err == nil && (n <= 0 || v > 1<<32-1) {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

// checkImports refuses whatever this host does not provide, all at once.
func checkImports(list []imported) error {
	var foreign, unknown []string
	ours := make(map[string]bool)
	for _, f := range Imports() {
		ours[f.Name] = true
	}
	for _, im := range list {
		switch {
		case im.module != abi.Module && im.module != wasi_snapshot_preview1.ModuleName:
			if m := fmt.Sprintf("%q", im.module); !slices.Contains(foreign, m) {
				foreign = append(foreign, m)
			}
		case im.kind != 0 || im.module == abi.Module && !ours[im.name]:
			unknown = append(unknown, im.module+"."+im.name)
		}
	}
	var errs []error
	if len(foreign) > 0 {
		errs = append(errs, fmt.Errorf("imports from %s; a driver may import from %q and %q only",
			strings.Join(foreign, ", "), abi.Module, wasi_snapshot_preview1.ModuleName))
	}
	if len(unknown) > 0 {
		errs = append(errs, fmt.Errorf("imports %s, which this host does not have; it speaks %s",
			strings.Join(unknown, ", "), abi.Module))
	}
	return errors.Join(errs...)
}

// checkSignatures compares the functions a module imports with those that the
// host modules export.
func checkSignatures(guest wazero.CompiledModule, hosts map[string]wazero.CompiledModule) error {
	var errs []error
	for _, f := range guest.ImportedFunctions() {
		module, name, _ := f.Import()
		var have api.FunctionDefinition
		if h := hosts[module]; h != nil {
			have = h.ExportedFunctions()[name]
		}
		switch {
		case have == nil:
			errs = append(errs, fmt.Errorf("imports %s.%s, which this host does not have; it speaks %s", module, name, abi.Module))
		case signatureOf(have) != signatureOf(f):
			errs = append(errs, fmt.Errorf("imports %s.%s as %s, but in %s it is %s",
				module, name, signatureOf(f), abi.Module, signatureOf(have)))
		}
	}
	return errors.Join(errs...)
}

// checkExports looks for what makes a module a driver.
func checkExports(guest wazero.CompiledModule) error {
	var missing, wrong []string
	have := guest.ExportedFunctions()
	for m := abi.Method(0); m < abi.MethodCount; m++ {
		if f := have[m.Export()]; f != nil && signatureOf(f) != "() -> i32" {
			wrong = append(wrong, fmt.Sprintf("%s is %s", m.Export(), signatureOf(f)))
		}
	}
	for _, m := range append([]abi.Method{abi.MethodDescribe}, abi.ProtoMethods()...) {
		if have[m.Export()] == nil {
			missing = append(missing, m.Export())
		}
	}
	var errs []error
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("lacks the exports %s", strings.Join(missing, ", ")))
	}
	if len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("exports of another signature than () -> i32: %s", strings.Join(wrong, ", ")))
	}
	if f := have["_initialize"]; f != nil && signatureOf(f) != "() -> ()" {
		errs = append(errs, fmt.Errorf("_initialize is %s, not () -> ()", signatureOf(f)))
	}
	if len(guest.ExportedMemories()) == 0 {
		errs = append(errs, errors.New("exports no memory"))
	}
	return errors.Join(errs...)
}

func signatureOf(f api.FunctionDefinition) string {
	types := func(ts []api.ValueType) string {
		names := make([]string, len(ts))
		for i, t := range ts {
			names[i] = api.ValueTypeName(t)
		}
		return strings.Join(names, ", ")
	}
	out := types(f.ResultTypes())
	if len(f.ResultTypes()) != 1 {
		out = "(" + out + ")"
	}
	return "(" + types(f.ParamTypes()) + ") -> " + out
}
