package layer

import (
	"context"
	"io"
	"sync"
)

// relay passes bytes from a goroutine that makes them to one that takes
// them, so that neither waits for the other as long as it has something to
// do: io.Pipe would make them take turns.
type relay struct {
	ctx   context.Context
	full  chan []byte
	empty chan []byte
	quit  chan struct{}
	once  sync.Once
	err   error // how it ends; set before full is closed

	filling []byte // the writer's
	taking  []byte // the reader's, of which rest is to be read yet
	rest    []byte
}

// relayChunks is how many chunks, each of readChunk bytes, there are.
const relayChunks = 3

func newRelay(ctx context.Context) *relay {
	r := &relay{
		ctx: ctx, quit: make(chan struct{}),
		full: make(chan []byte, relayChunks), empty: make(chan []byte, relayChunks),
	}
	for range relayChunks {
		r.empty <- nil // made when it is needed
	}
	return r
}

// Write fails once the reader has gone or ctx is done.
func (r *relay) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if r.filling == nil {
			if r.filling, err = r.chunk(); err != nil {
				return n, err
			}
		}
		m := min(len(p)-n, cap(r.filling)-len(r.filling))
		r.filling = append(r.filling, p[n:n+m]...)
		n += m
		if len(r.filling) == cap(r.filling) {
			r.full <- r.filling // there is a place for each chunk
			r.filling = nil
		}
	}
	return n, nil
}

func (r *relay) chunk() ([]byte, error) {
	select {
	case c := <-r.empty:
		if c == nil {
			c = make([]byte, 0, readChunk)
		}
		return c, nil
	case <-r.quit:
		return nil, io.ErrClosedPipe
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
}

// end is the writer's last call. The reader gets all that was written, and
// then err, or io.EOF for nil.
func (r *relay) end(err error) {
	if len(r.filling) > 0 {
		r.full <- r.filling
	}
	if r.err = err; err == nil {
		r.err = io.EOF
	}
	close(r.full)
}

// Read waits for the writer no longer than ctx, or leave, lets it.
func (r *relay) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.taking != nil {
			r.empty <- r.taking[:0]
			r.taking = nil
		}
		if err := r.ctx.Err(); err != nil {
			return 0, err
		}
		select {
		case c, more := <-r.full:
			if !more {
				return 0, r.err
			}
			r.taking, r.rest = c, c
		case <-r.quit:
			return 0, io.ErrClosedPipe
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// leave is the reader's last call. It may be called again, and while a Read
// waits.
func (r *relay) leave() { r.once.Do(func() { close(r.quit) }) }
