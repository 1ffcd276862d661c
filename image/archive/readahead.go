package archive

import (
	"io"
	"sync"
)

const (
	aheadChunk = 256 << 10
	aheadDepth = 4
)

// ahead is a reader that is read in the background, so that decompressing a
// layer and storing it take place at the same time.
type ahead struct {
	chunks chan chunk
	free   chan []byte
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	rest   []byte
	buf    []byte // what rest is part of
	err    error
}

type chunk struct {
	data []byte
	err  error
}

// readAhead takes r over until Close returns.
func readAhead(r io.Reader) *ahead {
	a := &ahead{
		chunks: make(chan chunk, aheadDepth),
		free:   make(chan []byte, aheadDepth),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	for range aheadDepth {
		a.free <- nil // allocated when first used: most layers are short
	}
	go a.fill(r)
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.done)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, aheadChunk)
		}
		n, err := fillChunk(r, buf[:aheadChunk])
		a.chunks <- chunk{data: buf[:n], err: err} // never blocks: as many places as buffers
		if err != nil {
			return
		}
	}
}

// fillChunk reads until buf is full or r has an error, be it the end.
func fillChunk(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.buf != nil {
			a.free <- a.buf // never blocks: it came from there
			a.buf = nil
		}
		if a.err != nil {
			return 0, a.err
		}
		select {
		case c := <-a.chunks:
			a.rest, a.buf, a.err = c.data, c.data, c.err
		case <-a.stop:
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the reading and waits until r is not used any more.
func (a *ahead) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return nil
}
