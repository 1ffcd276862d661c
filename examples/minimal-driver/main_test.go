package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
)

// The example's point is its size.
func TestADriverIsAtMostFiftyLines(t *testing.T) {
	src, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(src, []byte{'\n'}); n > 50 {
		t.Errorf("main.go has %d lines", n)
	}
}

// home is a host whose home is a set of directories.
type home struct {
	guest.Host
	dirs map[string]bool
	args []byte
	said []byte
}

func (h *home) CallArgs(buf []byte) int32 { return int32(copy(buf, h.args)) }

func (h *home) Result(rec []byte) int32 {
	h.said = append([]byte(nil), rec...)
	return 0
}

func (h *home) BaseOpen(path []byte) int64 {
	if h.dirs[string(path)] {
		return 1
	}
	return int64(abi.NotFound)
}

func (h *home) MakeDir(_ uint64, path []byte, _ uint32) int32 {
	h.dirs[string(path)] = true
	return 0
}

func (h *home) TreeCopy(_ uint64, src []byte, _ uint64, dst []byte) int32 {
	h.dirs[string(dst)] = true // in part, if it fails
	if !h.dirs[string(src)] {
		return int32(abi.NotFound)
	}
	return 0
}

func (h *home) TreeRemove(_ uint64, path []byte) int32 {
	delete(h.dirs, string(path))
	return 0
}

func TestItKeepsLayers(t *testing.T) {
	h := &home{dirs: map[string]bool{}}
	in := guest.NewInstance(driver{})
	for _, step := range []struct {
		m          abi.Method
		id, parent string
		code       abi.Code
	}{
		{abi.MethodDescribe, "", "", abi.OK},
		{abi.MethodCreate, "a", "", abi.OK},
		{abi.MethodCreate, "a", "", abi.Exists},
		{abi.MethodCreateReadWrite, "b", "a", abi.OK},
		{abi.MethodCreate, "c", "gone", abi.NotFound},
		{abi.MethodGet, "b", "", abi.OK},
		{abi.MethodGet, "c", "", abi.NotFound},
		{abi.MethodPut, "b", "", abi.OK},
		{abi.MethodExists, "b", "", abi.OK},
		{abi.MethodStatus, "", "", abi.OK},
		{abi.MethodGetMetadata, "b", "", abi.OK},
		{abi.MethodGetMetadata, "c", "", abi.NotFound},
		{abi.MethodRemove, "a", "", abi.OK},
		{abi.MethodRemove, "a", "", abi.OK},
		{abi.MethodCleanup, "", "", abi.OK},
		{abi.MethodDiff, "b", "", abi.NotSupported},
	} {
		h.args = abi.AppendFieldString(nil, abi.FieldID, step.id)
		if step.parent != "" {
			h.args = abi.AppendFieldString(h.args, abi.FieldParent, step.parent)
		}
		if code := in.Run(h, step.m); code != int32(step.code) {
			t.Errorf("%s %s: %d, want %s", step.m, step.id, code, step.code)
		}
	}
	if len(h.dirs) != 1 || !h.dirs["b"] {
		t.Errorf("%v", h.dirs)
	}
}
