package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/abi"
)

// call is one call's arguments.
type call struct {
	method     abi.Method
	id, parent string
	opts       map[string]string
}

// armed is the attack that the next call without a layer makes. That it may
// be lost with the instance is the attacker's risk.
var armed string

func run(m abi.Method) int32 {
	c := &call{method: m, opts: map[string]string{}}
	c.args()
	name, hostile := strings.CutPrefix(c.id, "x.")
	switch {
	case strings.HasPrefix(c.id, "arm."):
		armed = strings.TrimPrefix(c.id, "arm.")
	case c.id == "" && armed != "" && m != abi.MethodDescribe:
		name, hostile = armed, true
		armed = ""
	}
	if hostile {
		if attack := attacks()[name]; attack != nil {
			return attack(c)
		}
		return said(abi.Invalid, "no such attack: "+name)
	}
	return c.honest()
}

func (c *call) args() {
	buf := make([]byte, abi.MaxRecord)
	b := buf[:callArgs(at(buf))]
	for len(b) > 0 {
		rec, rest, ok, _ := abi.Next(b)
		if !ok {
			return
		}
		f, _ := abi.ParseField(rec)
		switch f.Tag {
		case abi.FieldID:
			c.id = string(f.Value)
		case abi.FieldParent:
			c.parent = string(f.Value)
		case abi.FieldOption:
			k, v, _ := f.Pair()
			c.opts[k] = v
		}
		b = rest
	}
}

func said(code abi.Code, text string) int32 {
	p, n := str(text)
	fail(int32(code), 0, 0, p, n)
	return int32(code)
}

func dirOf(id string) string { return "l/" + id }

// give hands one result over.
func give(field []byte) int32 { return result(at(field)) }

func (c *call) honest() int32 {
	p, n := str(dirOf(c.id))
	switch c.method {
	case abi.MethodDescribe:
		b := abi.AppendFieldString(nil, abi.FieldDriverName, "hostile")
		b = abi.AppendFieldString(b, abi.FieldDriverVersion, "1")
		b = abi.AppendFieldU64(b, abi.FieldFeatures, 0)
		all := uint64(1)<<abi.MethodCount - 1
		return give(abi.AppendFieldU64(b, abi.FieldMethods, all&^(1<<abi.MethodReadFile|1<<abi.MethodSetup|1<<abi.MethodConfigure)))
	case abi.MethodCreate, abi.MethodCreateReadWrite:
		lp, ln := str("l")
		makeDir(0, lp, ln, 0o755)
		if c.parent != "" {
			sp, sn := str(dirOf(c.parent))
			return treeCopy(0, sp, sn, 0, p, n)
		}
		return makeDir(0, p, n, 0o755)
	case abi.MethodRemove:
		if code := treeRemove(0, p, n); code != int32(abi.NotFound) {
			return code
		}
	case abi.MethodGet:
		return give(abi.AppendFieldSpec(nil, abi.DirSpec(dirOf(c.id))))
	case abi.MethodExists:
		exists := uint32(0)
		if baseOpen(p, n) > 0 {
			exists = 1
		}
		return give(abi.AppendFieldU32(nil, abi.FieldExists, exists))
	case abi.MethodDiffSize:
		return give(abi.AppendFieldU64(nil, abi.FieldSize, uint64(treeUsage(0, p, n))))
	case abi.MethodDiffGetter:
		return give(abi.AppendFieldString(nil, abi.FieldBase, dirOf(c.id)))
	case abi.MethodApplyDiff:
		return c.apply()
	case abi.MethodDiff, abi.MethodChanges:
		return int32(abi.UseNaive)
	}
	return 0
}

func (c *call) apply() int32 {
	base := baseOpen(str(dirOf(c.id)))
	if base < 0 {
		return int32(base)
	}
	for {
		es, code := batch()
		if code < 0 || len(es) == 0 {
			return code
		}
		a := abi.Action{Act: abi.ActApply, Count: uint32(len(es)), First: es[0].Index, Base: uint64(base)}
		if code := actions(at(abi.AppendAction(nil, a))); code != 0 {
			return code
		}
	}
}

// batch pulls the next entries.
func batch() (es []abi.Entry, code int32) {
	buf := make([]byte, abi.MaxRecord)
	n := entriesNext(at(buf))
	if n <= 0 {
		return nil, n
	}
	for b := buf[:n]; len(b) > 0; {
		rec, rest, ok, code := abi.Next(b)
		if !ok {
			return nil, int32(code)
		}
		e, _ := abi.ParseEntry(rec)
		es = append(es, e)
		b = rest
	}
	return es, 0
}

// code is what an error of package os says in the ABI's words.
func code(err error) int32 {
	var answered coded
	switch {
	case err == nil:
		return 0
	case errors.As(err, &answered):
		return int32(answered)
	case errors.Is(err, fs.ErrPermission):
		return int32(abi.Denied)
	case errors.Is(err, fs.ErrNotExist):
		return int32(abi.NotFound)
	case errors.Is(err, fs.ErrExist):
		return int32(abi.Exists)
	case errors.Is(err, syscall.EROFS):
		return int32(abi.Denied)
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EBADF), errors.Is(err, os.ErrInvalid):
		return int32(abi.Invalid)
	}
	return said(abi.IO, err.Error())
}
