package engine

import (
	"context"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
)

// A guest that moves a descriptor to two thousand million would have the host
// make a table of that size.
func TestRenumberIsRefused(t *testing.T) {
	a := newAsm()
	i32 := byte(tI32)
	f := a.use("wasi_snapshot_preview1", "fd_renumber", []byte{i32, i32}, []byte{i32})
	a.method(abi.ExportPut, i32c(1), i32c(1<<31-1), callf(f))
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
	if code, err := m.Run(context.Background(), abi.ExportPut, &fake{}); err != nil || code != enotsup {
		t.Errorf("%d %v", code, err)
	}
}

func TestThereAreNoFilesBeforeACall(t *testing.T) {
	const ebadf = 8
	a := newAsm()
	i32 := byte(tI32)
	f := a.use("wasi_snapshot_preview1", "path_filestat_get", []byte{i32, i32, i32, i32, i32}, []byte{i32})
	a.data = []byte("name")
	stat := [][]byte{i32c(3), i32c(0), i32c(0), i32c(4), i32c(64), callf(f)}
	check := append(stat, i32c(ebadf), []byte{0x47, 0x04, 0x40, opUnreachable, 0x0b})
	a.export("_initialize", 0, a.fn(nil, nil, check...))
	a.method(abi.ExportPut, stat...)
	m := compiled(t, a.driver(abi.ExportPut).bytes(), Limits{}, Options{})
	const enoent = 44
	if code, err := m.Run(context.Background(), abi.ExportPut, newFake(t)); err != nil || code != enoent {
		t.Errorf("%d %v", code, err)
	}
}
