// Package fifo opens files that may be named pipes. It imports the standard
// library only.
package fifo

import (
	"context"
	"os"
	"syscall"
)

// Open is os.OpenFile without a mode. That a named pipe has no other end yet
// is waited for until ctx is done.
func Open(ctx context.Context, path string, flag int) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(path, flag, 0)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
	}
	// The wait in open(2) ends when there is another end, were it for a moment.
	other, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, context.Cause(ctx) // the goroutine stays until the pipe is used
	}
	defer other.Close()
	if o := <-done; o.err == nil {
		o.f.Close()
	}
	return nil, context.Cause(ctx)
}
