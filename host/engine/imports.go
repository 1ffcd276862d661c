package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/host/calls"
)

// params are one import's parameters, decoded: in order of appearance, every
// (ptr, len) pair as b, every i64 as w, every other i32 as u. They belong to
// the instance, so that a crossing allocates nothing.
type params struct {
	b [3][]byte
	w [2]uint64
	u [3]uint32
}

// function is one import of abi.Module. shape spells its parameters: b for a
// pointer and a length, w for an i64, u for an i32.
type function struct {
	name  string
	shape string
	wide  bool // returns i64
	call  func(s calls.Session, p *params) int64
}

func narrow(name, shape string, call func(s calls.Session, p *params) int32) function {
	return function{name, shape, false, func(s calls.Session, p *params) int64 { return int64(call(s, p)) }}
}

// functions is every import, in README.md's order.
func functions() []function {
	return []function{
		narrow(abi.ImportCallArgs, "b", func(s calls.Session, p *params) int32 { return s.CallArgs(p.b[0]) }),
		narrow(abi.ImportResult, "b", func(s calls.Session, p *params) int32 { return s.Result(p.b[0]) }),
		narrow(abi.ImportFail, "ubb", func(s calls.Session, p *params) int32 { return s.Fail(int32(p.u[0]), p.b[0], p.b[1]) }),
		narrow(abi.ImportLog, "ub", func(s calls.Session, p *params) int32 { return s.Log(p.u[0], p.b[0]) }),
		narrow(abi.ImportLock, "bu", func(s calls.Session, p *params) int32 { return s.Lock(p.b[0], p.u[0]) }),
		narrow(abi.ImportExt, "ub", func(s calls.Session, p *params) int32 { return s.Ext(p.u[0], p.b[0]) }),

		{abi.ImportBaseOpen, "b", true, func(s calls.Session, p *params) int64 { return s.BaseOpen(p.b[0]) }},
		{abi.ImportBaseStack, "bu", true, func(s calls.Session, p *params) int64 { return s.BaseStack(p.b[0], p.u[0]) }},
		narrow(abi.ImportMakeDir, "wbu", func(s calls.Session, p *params) int32 { return s.MakeDir(p.w[0], p.b[0], p.u[0]) }),
		narrow(abi.ImportRename, "wbb", func(s calls.Session, p *params) int32 { return s.Rename(p.w[0], p.b[0], p.b[1]) }),
		narrow(abi.ImportChmod, "wbu", func(s calls.Session, p *params) int32 { return s.Chmod(p.w[0], p.b[0], p.u[0]) }),
		narrow(abi.ImportLchown, "wbuu", func(s calls.Session, p *params) int32 { return s.Lchown(p.w[0], p.b[0], p.u[0], p.u[1]) }),
		narrow(abi.ImportLutimes, "wbwu", func(s calls.Session, p *params) int32 {
			return s.Lutimes(p.w[0], p.b[0], int64(p.w[1]), p.u[0])
		}),
		narrow(abi.ImportMknod, "wbuuu", func(s calls.Session, p *params) int32 {
			return s.Mknod(p.w[0], p.b[0], p.u[0], p.u[1], p.u[2])
		}),
		narrow(abi.ImportLink, "wbb", func(s calls.Session, p *params) int32 { return s.Link(p.w[0], p.b[0], p.b[1]) }),
		narrow(abi.ImportXattrGet, "wbbb", func(s calls.Session, p *params) int32 {
			return s.XattrGet(p.w[0], p.b[0], p.b[1], p.b[2])
		}),
		narrow(abi.ImportXattrSet, "wbbb", func(s calls.Session, p *params) int32 {
			return s.XattrSet(p.w[0], p.b[0], p.b[1], p.b[2])
		}),
		narrow(abi.ImportXattrList, "wbb", func(s calls.Session, p *params) int32 { return s.XattrList(p.w[0], p.b[0], p.b[1]) }),
		narrow(abi.ImportXattrRemove, "wbb", func(s calls.Session, p *params) int32 { return s.XattrRemove(p.w[0], p.b[0], p.b[1]) }),

		narrow(abi.ImportReaddirPlus, "bb", func(s calls.Session, p *params) int32 { return s.ReaddirPlus(p.b[0], p.b[1]) }),
		narrow(abi.ImportFilesEqual, "bb", func(s calls.Session, p *params) int32 { return s.FilesEqual(p.b[0], p.b[1]) }),
		narrow(abi.ImportTreeCopy, "wbwb", func(s calls.Session, p *params) int32 {
			return s.TreeCopy(p.w[0], p.b[0], p.w[1], p.b[1])
		}),
		narrow(abi.ImportTreeRemove, "wb", func(s calls.Session, p *params) int32 { return s.TreeRemove(p.w[0], p.b[0]) }),
		{abi.ImportTreeUsage, "wb", true, func(s calls.Session, p *params) int64 { return s.TreeUsage(p.w[0], p.b[0]) }},

		narrow(abi.ImportEntriesNext, "b", func(s calls.Session, p *params) int32 { return s.EntriesNext(p.b[0]) }),
		narrow(abi.ImportEntryAttr, "wub", func(s calls.Session, p *params) int32 { return s.EntryAttr(p.w[0], p.u[0], p.b[0]) }),
		narrow(abi.ImportEntryRead, "wb", func(s calls.Session, p *params) int32 { return s.EntryRead(p.w[0], p.b[0]) }),
		narrow(abi.ImportActions, "b", func(s calls.Session, p *params) int32 { return s.Actions(p.b[0]) }),
		narrow(abi.ImportStreamRead, "b", func(s calls.Session, p *params) int32 { return s.StreamRead(p.b[0]) }),

		narrow(abi.ImportDiffEmit, "b", func(s calls.Session, p *params) int32 { return s.DiffEmit(p.b[0]) }),
		narrow(abi.ImportEntryWrite, "b", func(s calls.Session, p *params) int32 { return s.EntryWrite(p.b[0]) }),
		narrow(abi.ImportStreamWrite, "b", func(s calls.Session, p *params) int32 { return s.StreamWrite(p.b[0]) }),
		narrow(abi.ImportChangesEmit, "b", func(s calls.Session, p *params) int32 { return s.ChangesEmit(p.b[0]) }),
	}
}

// signature is the shape in wasm's types.
func (f function) signature() (in, out []api.ValueType) {
	for _, c := range f.shape {
		switch c {
		case 'b':
			in = append(in, api.ValueTypeI32, api.ValueTypeI32)
		case 'w':
			in = append(in, api.ValueTypeI64)
		case 'u':
			in = append(in, api.ValueTypeI32)
		}
	}
	if f.wide {
		return in, []api.ValueType{api.ValueTypeI64}
	}
	return in, []api.ValueType{api.ValueTypeI32}
}

// handle decodes one crossing, answers it and encodes the return.
func (f function) handle(ctx context.Context, mod api.Module, stack []uint64) {
	ret := f.answer(instanceOf(ctx), mod, stack)
	if f.wide {
		stack[0] = uint64(ret)
	} else {
		stack[0] = api.EncodeI32(int32(ret))
	}
}

func (f function) answer(in *instance, mod api.Module, stack []uint64) int64 {
	if in == nil || in.session == nil {
		return int64(abi.BadOrder)
	}
	p := &in.params
	var nb, nw, nu, at int
	for i := range len(f.shape) {
		switch f.shape[i] {
		case 'b':
			ptr, n := api.DecodeU32(stack[at]), api.DecodeU32(stack[at+1])
			at += 2
			p.b[nb] = nil
			if n != 0 {
				buf, ok := mod.Memory().Read(ptr, n)
				if !ok {
					return int64(abi.Invalid)
				}
				p.b[nb] = buf[:n:n]
			}
			nb++
		case 'w':
			p.w[nw] = stack[at]
			at, nw = at+1, nw+1
		case 'u':
			p.u[nu] = api.DecodeU32(stack[at])
			at, nu = at+1, nu+1
		}
	}
	return f.call(in.session, p)
}

// exportTo adds every import to a host module.
func exportTo(b wazero.HostModuleBuilder) {
	for _, f := range functions() {
		in, out := f.signature()
		b.NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(f.handle), in, out).
			Export(f.name)
	}
}
