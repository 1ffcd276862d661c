package confine

import (
	"archive/tar"
	"bufio"
	"fmt"
)

// tarEntries writes entries as archive/tar does, most of their headers by
// itself: of an archive of small files those were a tenth of the work.
type tarEntries struct {
	out  *bufio.Writer
	tw   *tar.Writer
	head []byte // the last one that was written here
	own  bool   // the entry begun last has such a one
	left int64  // of its content
	fill int    // what then brings it to whole blocks
}

func newTarEntries(out *bufio.Writer) *tarEntries {
	return &tarEntries{out: out, tw: tar.NewWriter(out)}
}

// begin ends the entry before and writes the header of the next.
func (e *tarEntries) begin(h *tar.Header) error {
	if err := e.end(); err != nil {
		return err
	}
	if e.head, e.own = appendHeader(e.head[:0], h); !e.own {
		return e.tw.WriteHeader(h)
	}
	if err := e.tw.Flush(); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeReg {
		e.left, e.fill = h.Size, int(-h.Size&(tarBlock-1))
	}
	_, err := e.out.Write(e.head)
	return err
}

// Write writes content of the entry begun last: no more than its header says.
func (e *tarEntries) Write(p []byte) (int, error) {
	if !e.own {
		return e.tw.Write(p)
	}
	if int64(len(p)) > e.left {
		n, err := e.Write(p[:e.left])
		if err == nil {
			err = tar.ErrWriteTooLong
		}
		return n, err
	}
	n, err := e.out.Write(p)
	e.left -= int64(n)
	return n, err
}

func (e *tarEntries) end() error {
	if !e.own {
		return nil
	}
	if e.left > 0 {
		return fmt.Errorf("%d bytes of an entry are missing", e.left)
	}
	var zeros [tarBlock]byte
	_, err := e.out.Write(zeros[:e.fill])
	e.own, e.fill = false, 0
	return err
}

// close ends the archive. The writer beneath is not flushed.
func (e *tarEntries) close() error {
	if err := e.end(); err != nil {
		return err
	}
	return e.tw.Close()
}
