package layertar

import (
	"bytes"
	"io"
)

// raw drives the parse of a Reader and gives out the bytes that it consumed.
// The parser reads at most one header or one chunk of payload at a time, so
// what is held stays small.
type raw struct {
	r   *Reader
	buf bytes.Buffer
	err error
}

func newRaw(r *Reader) *raw {
	w := &raw{r: r}
	r.in.tee = &w.buf
	return w
}

func (w *raw) Read(p []byte) (int, error) {
	for w.buf.Len() == 0 {
		if w.err != nil {
			return 0, w.err
		}
		if w.r.left > 0 {
			_, w.err = w.r.Read(w.r.buffer())
			continue
		}
		_, w.err = w.r.pull()
	}
	n, _ := w.buf.Read(p)
	return n, nil
}

var _ io.Reader = (*raw)(nil)
