package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// Params are one import's parameters, decoded: in order of appearance, every
// buffer as B, every i64 as W, every other i32 as U. They belong to the
// instance, so that a crossing allocates nothing.
type Params struct {
	B [3][]byte
	W [2]uint64
	U [3]uint32
}

// Import is one import of abi.Module. Shape spells its parameters: b for a
// pointer and a length that are read, o for those that are written (one at
// most, the last), w for an i64, u for an i32.
type Import struct {
	Name  string
	Shape string
	Wide  bool // returns i64
	Call  func(s calls.Session, p *Params) int64
}

// Forwarder is a session that takes imports as they come, by their place in
// Imports, to be answered elsewhere.
type Forwarder interface {
	Forward(index int, p *Params) int64
}

func narrow(name, shape string, call func(s calls.Session, p *Params) int32) Import {
	return Import{name, shape, false, func(s calls.Session, p *Params) int64 { return int64(call(s, p)) }}
}

// Imports is every import, in README.md's order.
func Imports() []Import {
	return []Import{
		narrow(abi.ImportCallArgs, "o", func(s calls.Session, p *Params) int32 { return s.CallArgs(p.B[0]) }),
		narrow(abi.ImportResult, "b", func(s calls.Session, p *Params) int32 { return s.Result(p.B[0]) }),
		narrow(abi.ImportFail, "ubb", func(s calls.Session, p *Params) int32 { return s.Fail(int32(p.U[0]), p.B[0], p.B[1]) }),
		narrow(abi.ImportLog, "ub", func(s calls.Session, p *Params) int32 { return s.Log(p.U[0], p.B[0]) }),
		narrow(abi.ImportLock, "bu", func(s calls.Session, p *Params) int32 { return s.Lock(p.B[0], p.U[0]) }),
		narrow(abi.ImportExt, "ub", func(s calls.Session, p *Params) int32 { return s.Ext(p.U[0], p.B[0]) }),

		{abi.ImportBaseOpen, "b", true, func(s calls.Session, p *Params) int64 { return s.BaseOpen(p.B[0]) }},
		{abi.ImportBaseStack, "bu", true, func(s calls.Session, p *Params) int64 { return s.BaseStack(p.B[0], p.U[0]) }},
		narrow(abi.ImportMakeDir, "wbu", func(s calls.Session, p *Params) int32 { return s.MakeDir(p.W[0], p.B[0], p.U[0]) }),
		narrow(abi.ImportRename, "wbb", func(s calls.Session, p *Params) int32 { return s.Rename(p.W[0], p.B[0], p.B[1]) }),
		narrow(abi.ImportChmod, "wbu", func(s calls.Session, p *Params) int32 { return s.Chmod(p.W[0], p.B[0], p.U[0]) }),
		narrow(abi.ImportLchown, "wbuu", func(s calls.Session, p *Params) int32 { return s.Lchown(p.W[0], p.B[0], p.U[0], p.U[1]) }),
		narrow(abi.ImportLutimes, "wbwu", func(s calls.Session, p *Params) int32 {
			return s.Lutimes(p.W[0], p.B[0], int64(p.W[1]), p.U[0])
		}),
		narrow(abi.ImportMknod, "wbuuu", func(s calls.Session, p *Params) int32 {
			return s.Mknod(p.W[0], p.B[0], p.U[0], p.U[1], p.U[2])
		}),
		narrow(abi.ImportLink, "wbb", func(s calls.Session, p *Params) int32 { return s.Link(p.W[0], p.B[0], p.B[1]) }),
		narrow(abi.ImportXattrGet, "wbbo", func(s calls.Session, p *Params) int32 {
			return s.XattrGet(p.W[0], p.B[0], p.B[1], p.B[2])
		}),
		narrow(abi.ImportXattrSet, "wbbb", func(s calls.Session, p *Params) int32 {
			return s.XattrSet(p.W[0], p.B[0], p.B[1], p.B[2])
		}),
		narrow(abi.ImportXattrList, "wbo", func(s calls.Session, p *Params) int32 { return s.XattrList(p.W[0], p.B[0], p.B[1]) }),
		narrow(abi.ImportXattrRemove, "wbb", func(s calls.Session, p *Params) int32 { return s.XattrRemove(p.W[0], p.B[0], p.B[1]) }),

		narrow(abi.ImportReaddirPlus, "bo", func(s calls.Session, p *Params) int32 { return s.ReaddirPlus(p.B[0], p.B[1]) }),
		narrow(abi.ImportFilesEqual, "bo", func(s calls.Session, p *Params) int32 { return s.FilesEqual(p.B[0], p.B[1]) }),
		narrow(abi.ImportTreeCopy, "wbwb", func(s calls.Session, p *Params) int32 {
			return s.TreeCopy(p.W[0], p.B[0], p.W[1], p.B[1])
		}),
		narrow(abi.ImportTreeRemove, "wb", func(s calls.Session, p *Params) int32 { return s.TreeRemove(p.W[0], p.B[0]) }),
		{abi.ImportTreeUsage, "wb", true, func(s calls.Session, p *Params) int64 { return s.TreeUsage(p.W[0], p.B[0]) }},

		narrow(abi.ImportEntriesNext, "o", func(s calls.Session, p *Params) int32 { return s.EntriesNext(p.B[0]) }),
		narrow(abi.ImportEntryAttr, "wuo", func(s calls.Session, p *Params) int32 { return s.EntryAttr(p.W[0], p.U[0], p.B[0]) }),
		narrow(abi.ImportEntryRead, "wo", func(s calls.Session, p *Params) int32 { return s.EntryRead(p.W[0], p.B[0]) }),
		narrow(abi.ImportActions, "b", func(s calls.Session, p *Params) int32 { return s.Actions(p.B[0]) }),
		narrow(abi.ImportStreamRead, "o", func(s calls.Session, p *Params) int32 { return s.StreamRead(p.B[0]) }),

		narrow(abi.ImportDiffEmit, "b", func(s calls.Session, p *Params) int32 { return s.DiffEmit(p.B[0]) }),
		narrow(abi.ImportEntryWrite, "b", func(s calls.Session, p *Params) int32 { return s.EntryWrite(p.B[0]) }),
		narrow(abi.ImportStreamWrite, "b", func(s calls.Session, p *Params) int32 { return s.StreamWrite(p.B[0]) }),
		narrow(abi.ImportChangesEmit, "b", func(s calls.Session, p *Params) int32 { return s.ChangesEmit(p.B[0]) }),
	}
}

// signature is the shape in wasm's types.
func (f Import) signature() (in, out []api.ValueType) {
	for _, c := range f.Shape {
		switch c {
		case 'b', 'o':
			in = append(in, api.ValueTypeI32, api.ValueTypeI32)
		case 'w':
			in = append(in, api.ValueTypeI64)
		case 'u':
			in = append(in, api.ValueTypeI32)
		}
	}
	if f.Wide {
		return in, []api.ValueType{api.ValueTypeI64}
	}
	return in, []api.ValueType{api.ValueTypeI32}
}

// handler is an import as wazero calls it.
type handler struct {
	Import
	index int
}

// handle decodes one crossing, answers it and encodes the return.
func (f handler) handle(ctx context.Context, mod api.Module, stack []uint64) {
	ret := f.answer(instanceOf(ctx), mod, stack)
	if f.Wide {
		stack[0] = uint64(ret)
	} else {
		stack[0] = api.EncodeI32(int32(ret))
	}
}

func (f handler) answer(in *instance, mod api.Module, stack []uint64) int64 {
	if in == nil || in.session == nil {
		return int64(abi.BadOrder)
	}
	p := &in.params
	var nb, nw, nu, at int
	for i := range len(f.Shape) {
		switch f.Shape[i] {
		case 'b', 'o':
			ptr, n := api.DecodeU32(stack[at]), api.DecodeU32(stack[at+1])
			at += 2
			p.B[nb] = nil
			if n != 0 {
				buf, ok := mod.Memory().Read(ptr, n)
				if !ok {
					return int64(abi.Invalid)
				}
				p.B[nb] = buf[:n:n]
			}
			nb++
		case 'w':
			p.W[nw] = stack[at]
			at, nw = at+1, nw+1
		case 'u':
			p.U[nu] = api.DecodeU32(stack[at])
			at, nu = at+1, nu+1
		}
	}
	if in.forward != nil {
		return in.forward.Forward(f.index, p)
	}
	return f.Call(in.session, p)
}

// exportTo adds every import to a host module.
func exportTo(b wazero.HostModuleBuilder) {
	for i, f := range Imports() {
		in, out := f.signature()
		b.NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(handler{f, i}.handle), in, out).
			Export(f.Name)
	}
}
