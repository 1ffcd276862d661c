package archive

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"
)

func TestWhatIsReadIsWrittenOutOnceInAWhileAndOneAtATime(t *testing.T) {
	var begun, running atomic.Int32
	gate := make(chan struct{})
	out := &writeOut{left: writeOutEvery, write: func() error {
		begun.Add(1)
		if running.Add(1) > 1 {
			t.Error("two at a time")
		}
		<-gate
		running.Add(-1)
		return nil
	}}
	r := &counted{bytes.NewReader(make([]byte, 3*writeOutEvery)), out}
	read := func(n int64, want int32) {
		t.Helper()
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			t.Fatal(err)
		}
		for want > 0 && begun.Load() == 0 { // it begins beside
			select {
			case <-t.Context().Done():
				t.Fatal("none began")
			default:
			}
		}
		if got := begun.Load(); got != want {
			t.Errorf("after %d bytes more: begun %d times, want %d", n, got, want)
		}
	}
	read(writeOutEvery-1, 0)
	read(writeOutEvery, 1)
	read(writeOutEvery/2, 1) // the first has not ended
	close(gate)
	out.wait()
	if n := running.Load(); n != 0 {
		t.Errorf("%d still run", n)
	}
	out.left = 1
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	out.wait()
	if got := begun.Load(); got != 2 {
		t.Errorf("begun %d times, want 2", got)
	}
}
