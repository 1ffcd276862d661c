package layer

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// hashChunk is large, so that handing it to the hashing goroutine costs
// nothing beside the hashing.
const hashChunk = 256 << 10

// feed passes an archive on and hashes it beside, in a goroutine that ends
// with sum or stop.
type feed struct {
	ctx      context.Context
	r        io.Reader
	n        int64
	progress func(int64)
	err      error // of r, or of ctx

	cur   []byte
	full  chan []byte
	empty chan []byte
	done  chan struct{}
	hash  hash.Hash
	ended bool
	unarm func() bool
}

func newFeed(ctx context.Context, r io.Reader, progress func(int64)) *feed {
	f := &feed{
		ctx: ctx, r: r, progress: progress, hash: sha256.New(),
		full: make(chan []byte, 2), empty: make(chan []byte, 3), done: make(chan struct{}),
		unarm: func() bool { return true },
	}
	for range cap(f.empty) - 1 {
		f.empty <- make([]byte, 0, hashChunk)
	}
	f.cur = make([]byte, 0, hashChunk)
	// A pipe or a connection can be woken; any other reader returns in its
	// own time.
	if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		f.unarm = context.AfterFunc(ctx, func() { d.SetReadDeadline(time.Unix(1, 0)) })
	}
	go f.work()
	return f
}

func (f *feed) work() {
	defer close(f.done)
	for c := range f.full {
		f.hash.Write(c)
		f.empty <- c[:0]
	}
}

func (f *feed) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if err := f.ctx.Err(); err != nil {
		f.err = err
		return 0, err
	}
	n, err := f.r.Read(p)
	f.add(p[:n])
	f.n += int64(n)
	if f.progress != nil && n > 0 {
		f.progress(f.n)
	}
	if err != nil {
		if cerr := f.ctx.Err(); cerr != nil {
			err = cerr
		}
		f.err = err
	}
	return n, err
}

func (f *feed) add(p []byte) {
	for len(p) > 0 {
		n := min(len(p), cap(f.cur)-len(f.cur))
		f.cur = append(f.cur, p[:n]...)
		p = p[n:]
		if len(f.cur) == cap(f.cur) {
			f.full <- f.cur
			f.cur = <-f.empty
		}
	}
}

// failure is why reading failed, nil at a regular end.
func (f *feed) failure() error {
	if f.err == io.EOF {
		return nil
	}
	return f.err
}

// sum ends the goroutine and returns the digest of all that was read.
func (f *feed) sum() DiffID {
	if !f.ended && len(f.cur) > 0 {
		f.full <- f.cur
	}
	f.stop()
	return DiffID(digest.NewDigest(digest.SHA256, f.hash))
}

// stop ends the goroutine. It may be called again.
func (f *feed) stop() {
	if f.ended {
		return
	}
	f.ended = true
	f.unarm()
	close(f.full)
	<-f.done
}
