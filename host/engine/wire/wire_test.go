package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

func sockets(t *testing.T) (a, b Socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[0]) })
	return Socket(fds[0]), Socket(fds[1])
}

func TestWhatIsWrittenInPartsArrivesWhole(t *testing.T) {
	a, b := sockets(t)
	large := bytes.Repeat([]byte("large "), 1<<20) // more than the socket holds
	done := make(chan error, 1)
	go func() { done <- b.Write([]byte("head"), nil, large, []byte("tail")) }()
	head, some := make([]byte, 4), make([]byte, 100)
	n, err := a.ReadBoth(head, some)
	if err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, len(large)+4-n)
	if err := a.Read(rest); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if string(head) != "head" || !bytes.Equal(slices.Concat(some[:n], rest), append(large, "tail"...)) {
		t.Error("something else arrived")
	}
	unix.Close(int(b))
	if err := a.Read(head); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the other end has gone: %v", err)
	}
}

func TestAnswersAreWhatTheyWere(t *testing.T) {
	want := Answer{Len: 7, Errno: unix.ENOENT, Ret: -3}
	var head [AnswerSize]byte
	want.Put(&head)
	if got := ParseAnswer(&head); got != want {
		t.Errorf("%+v became %+v", want, got)
	}
	st := calls.FileStat{Dev: 1, Ino: 1 << 63, Mode: 0o755, Nlink: 2, Size: -1, Atim: -5, Mtim: 6, Ctim: 7}
	if got, err := ParseStat(AppendStat(nil, st)); err != nil || got != st {
		t.Errorf("%+v became %+v, %v", st, got, err)
	}
	list := []calls.DirEntry{{Name: "a", Ino: 1}, {Name: "", Ino: 2, Type: 1 << 31}, {Name: "a\x00b"}}
	var b []byte
	for _, d := range list {
		b = AppendDirEntry(b, d)
	}
	if got, err := ParseDirEntries(b); err != nil || !slices.Equal(got, list) {
		t.Errorf("%+v became %+v, %v", list, got, err)
	}
	for n := range b {
		if got, err := ParseDirEntries(b[:n]); err == nil && len(AppendDirEntry(nil, list[0])) != n && n != 0 && len(got) >= len(list) {
			t.Errorf("%d bytes are %+v", n, got)
		}
	}
	load := Load{Compile: true, MemoryPages: 5, OpenFiles: 6, HighWater: 7, Name: "name", Wasm: []byte("wasm")}
	got, ok := ParseLoad(append(load.Append(nil), load.Wasm...))
	if !ok || got.Name != load.Name || !bytes.Equal(got.Wasm, load.Wasm) || !got.Compile || got.MemoryPages != 5 || got.OpenFiles != 6 || got.HighWater != 7 {
		t.Errorf("%+v became %+v", load, got)
	}
}

func TestEveryImportCanBeSaid(t *testing.T) {
	for i, im := range engine.Imports() {
		if op := Op(i); !op.IsImport() || op.Import().Name != im.Name || op.IsFile() {
			t.Errorf("%s is not request %d", im.Name, i)
		}
	}
	for i, c := range causes {
		if got, ok := CauseOf(uint32(i)); !ok || got != c || c != "" && CauseNumber(c) != uint32(i) {
			t.Errorf("cause %q", c)
		}
	}
	if _, ok := CauseOf(uint32(len(causes))); ok {
		t.Error("a cause beyond the last")
	}
}
