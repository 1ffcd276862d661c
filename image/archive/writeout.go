package archive

import (
	"io"
	"sync"
)

// writeOutEvery is how much of the layers is read, in bytes, before what they
// became is written to disk. Less costs more journal commits of the file
// system than it saves waiting.
const writeOutEvery = 32 << 20

// writeOut has the disk write what was loaded while the next part of it is
// read, so that Commit waits for the last part only.
type writeOut struct {
	mu      sync.Mutex
	write   func() error  // the session's
	left    int64         // bytes until the next
	running chan struct{} // closed when the current one has ended; nil for none
}

// read counts bytes. It begins to write out when there are enough of them and
// the last time has ended.
func (w *writeOut) read(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left -= int64(n); w.left > 0 || w.busy() {
		return
	}
	w.left = writeOutEvery
	done := make(chan struct{})
	w.running = done
	go func() {
		defer close(done)
		w.write() // what fails is told by Commit
	}()
}

func (w *writeOut) busy() bool {
	if w.running == nil {
		return false
	}
	select {
	case <-w.running:
		return false
	default:
		return true
	}
}

// wait returns when nothing is being written out.
func (w *writeOut) wait() {
	if w.running != nil {
		<-w.running
	}
}

// counted is a reader whose bytes are counted towards the next writing out.
type counted struct {
	r   io.Reader
	out *writeOut
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.out.read(n)
	return n, err
}
