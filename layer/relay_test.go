package layer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestRelayPassesBytesOnAndThenTheWritersError(t *testing.T) {
	data := make([]byte, 3*readChunk+17)
	for i := range data {
		data[i] = byte(i * i >> 8)
	}
	broken := errors.New("input/output error")
	for _, piece := range []int{1000, readChunk, 2*readChunk + 5} {
		r := newRelay(t.Context())
		go func() {
			_, err := io.CopyBuffer(struct{ io.Writer }{r}, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, piece))
			r.end(errors.Join(err, broken))
		}()
		got, err := io.ReadAll(iotest.HalfReader(r))
		if !errors.Is(err, broken) || !bytes.Equal(got, data) {
			t.Errorf("pieces of %d: %d of %d bytes, %v", piece, len(got), len(data), err)
		}
	}
}

func TestRelayMakesNeitherSideWaitForOneThatIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		stop func(*relay)
		want error
	}{
		"reader left":  {(*relay).leave, io.ErrClosedPipe},
		"context done": {func(*relay) { cancel() }, context.Canceled},
	} {
		rctx := t.Context()
		if name == "context done" {
			rctx = ctx
		}
		r, done := newRelay(rctx), make(chan error, 2)
		go func() {
			n, err := r.Write(make([]byte, 100*readChunk))
			if n > relayChunks*readChunk {
				err = errors.New("more was written than there is room for")
			}
			done <- err
			r.end(err)
		}()
		blocked := newRelay(rctx) // nobody writes
		go func() { _, err := blocked.Read(make([]byte, 1)); done <- err }()
		c.stop(r)
		c.stop(blocked)
		for range 2 {
			if err := <-done; !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	cancel()
}
