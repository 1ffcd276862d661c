package layer

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/storage"

	"github.com/bulkhead/bulkhead/graphdriver/layertar"
	"github.com/bulkhead/bulkhead/layer/tarsplit"
)

// packItem is a segment, or a file, whose bytes lie in the batch.
type packItem struct {
	file     bool
	name     string
	size     int64
	from, to int // the segment, or the checksum
}

type packBatch struct {
	bytes []byte
	items []packItem
}

const (
	batchBytes = 128 << 10
	batchItems = 256
)

// packer is the layertar.Tap that writes tar-split data as moby has it:
// JSON lines in gzip. Encoding and compressing happen in a goroutine, which
// ends with finish or stop.
type packer struct {
	cur    *packBatch
	full   chan *packBatch
	empty  chan *packBatch
	failed chan struct{} // closed when err is set
	done   chan struct{}
	err    error
	ended  bool
}

func newPacker(w io.Writer, level int) (*packer, error) {
	zip, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return nil, err
	}
	p := &packer{
		cur: new(packBatch), full: make(chan *packBatch, 2), empty: make(chan *packBatch, 3),
		failed: make(chan struct{}), done: make(chan struct{}),
	}
	p.empty <- new(packBatch)
	p.empty <- new(packBatch)
	go p.work(zip)
	return p, nil
}

// Segment implements layertar.Tap.
func (p *packer) Segment(raw []byte) error {
	from := len(p.cur.bytes)
	p.cur.bytes = append(p.cur.bytes, raw...)
	return p.push(packItem{from: from, to: len(p.cur.bytes)})
}

// File implements layertar.Tap.
func (p *packer) File(name string, size int64, crc []byte) error {
	from := len(p.cur.bytes)
	p.cur.bytes = append(p.cur.bytes, crc...)
	return p.push(packItem{file: true, name: name, size: size, from: from, to: len(p.cur.bytes)})
}

func (p *packer) push(it packItem) error {
	p.cur.items = append(p.cur.items, it)
	if len(p.cur.items) < batchItems && len(p.cur.bytes) < batchBytes {
		return nil
	}
	select {
	case <-p.failed:
		return p.err
	case p.full <- p.cur:
	}
	p.cur = <-p.empty
	return nil
}

// finish writes out all there is.
func (p *packer) finish() error {
	if !p.ended {
		p.full <- p.cur
	}
	p.stop()
	return p.err
}

// stop ends the goroutine. It may be called again.
func (p *packer) stop() {
	if p.ended {
		return
	}
	p.ended = true
	close(p.full)
	<-p.done
}

func (p *packer) work(zip *gzip.Writer) {
	defer close(p.done)
	buf := bufio.NewWriterSize(zip, 64<<10)
	out := tarsplit.NewWriter(buf)
	for b := range p.full {
		if p.err == nil {
			if p.err = pack(out, b); p.err != nil {
				close(p.failed)
			}
		}
		b.bytes, b.items = b.bytes[:0], b.items[:0]
		p.empty <- b
	}
	if p.err == nil {
		p.err = oneLine(buf.Flush(), zip.Close())
	}
}

func pack(out *tarsplit.Writer, b *packBatch) error {
	for _, it := range b.items {
		e := storage.Entry{Type: storage.SegmentType}
		if it.to > it.from {
			e.Payload = b.bytes[it.from:it.to]
		}
		if it.file {
			e.Type, e.Size = storage.FileType, it.size
			e.SetName(it.name)
		}
		_, err := out.AddEntry(e)
		if errors.Is(err, storage.ErrDuplicatePath) {
			return fmt.Errorf("entry %s: its path occurs twice: %w", layertar.Shown(it.name), layertar.ErrRefused)
		}
		if err != nil {
			return fmt.Errorf("write tar-split data: %w", err)
		}
	}
	return nil
}
