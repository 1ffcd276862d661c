package layertar

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"strings"

	"github.com/vbatts/tar-split/archive/tar"
)

// Tap receives, in order, what tar-split keeps of an archive: every byte that
// is not payload, and for each entry its name, size and the payload's CRC-64.
// The slices are valid during the call only. An error ends the reading.
type Tap interface {
	Segment(raw []byte) error
	File(name string, size int64, crc []byte) error
}

const (
	readAhead    = 256 << 10
	trailerChunk = 64 << 10
	// maxHeaders bounds what comes before an entry's payload: an extended
	// header, a long name and a long link, each of which the parser takes up to
	// 1 MiB of, and no bound on how many.
	maxHeaders = 4 << 20
)

// Reader is the Source over an uncompressed stream.
type Reader struct {
	in      *counter
	tr      *tar.Reader
	tap     Tap
	crc     hash.Hash64
	sum     []byte
	cur     *Entry
	left    int64 // payload of cur not yet read
	kept    int64 // bytes that tar-split would reproduce
	started bool
	ending  bool // the end marker was read
	err     error
	seen    overlap
	entries int64
	most    int64 // entries that there may be; 0 for no bound
	scratch []byte
}

// NewReader reads the archive in r; tap may be nil.
func NewReader(r io.Reader, tap Tap) *Reader {
	in := &counter{r: bufio.NewReaderSize(r, readAhead), left: math.MaxInt64}
	tr := tar.NewReader(in)
	tr.RawAccounting = true
	return &Reader{in: in, tr: tr, tap: tap, crc: NewCRC()}
}

// Limit refuses an archive of more entries than that, which for 0 is none.
func (r *Reader) Limit(entries int64) { r.most = entries }

// Next implements Source.
func (r *Reader) Next() (*Entry, error) {
	r.started = true
	for {
		if e, err := r.pull(); e != nil || err != nil {
			return e, err
		}
	}
}

// pull takes the next entry, or a piece of what follows the last one: then
// it returns neither entry nor error. Errors stay.
func (r *Reader) pull() (e *Entry, err error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.ending {
		err = r.trailer()
	} else {
		e, err = r.next()
	}
	r.err = err
	return e, err
}

func (r *Reader) next() (*Entry, error) {
	if err := r.finishPayload(); err != nil {
		return nil, err
	}
	r.in.left = maxHeaders
	hdr, err := r.tr.Next()
	r.in.left = math.MaxInt64
	if err != nil && err != io.EOF {
		return nil, r.describe(err)
	}
	if serr := r.segment(r.tr.RawBytes()); serr != nil {
		return nil, serr
	}
	if err == io.EOF {
		r.ending = true
		return nil, nil
	}
	e, err := toEntry(hdr)
	if err == nil {
		err = r.seen.check(e)
	}
	if err != nil {
		return nil, err
	}
	if r.entries++; r.most > 0 && r.entries > r.most {
		return nil, &EntriesError{Most: r.most}
	}
	r.cur, r.left = e, e.Size
	r.crc.Reset()
	if e.Size == 0 {
		r.cur = nil
		return e, r.file(e.Name, 0, nil)
	}
	return e, nil
}

// Read implements Source.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.tr.Read(p)
	r.left -= int64(n)
	r.kept += int64(n)
	if r.tap != nil {
		r.crc.Write(p[:n])
	}
	if err == io.EOF && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		r.err = r.describe(err)
		return n, r.err
	}
	return n, nil
}

// Entries is the number of entries that Next has returned so far, or that
// Raw has passed on.
func (r *Reader) Entries() int64 { return r.entries }

// ThroughSymlink reports whether an entry lies beneath a symlink of the same
// archive. Two entries of different paths may then have written one file,
// which only reading the files again can tell.
func (r *Reader) ThroughSymlink() bool { return r.seen.throughSymlink }

// Raw implements Source: the tee feeds a second Reader's parse as the bytes
// are read, so that both see the same archive.
func (r *Reader) Raw() (io.Reader, error) {
	if r.started {
		return nil, errors.New("layertar: Raw after Next")
	}
	r.started = true
	return newRaw(r), nil
}

func (r *Reader) finishPayload() error {
	if r.cur == nil {
		return nil
	}
	e := r.cur
	for r.left > 0 {
		if _, err := r.Read(r.buffer()); err != nil {
			return err
		}
	}
	r.cur = nil
	r.sum = r.crc.Sum(r.sum[:0])
	return r.file(e.Name, e.Size, r.sum)
}

// buffer is for bytes that nobody waits for.
func (r *Reader) buffer() []byte {
	if r.scratch == nil {
		r.scratch = make([]byte, trailerChunk)
	}
	return r.scratch
}

func (r *Reader) segment(b []byte) error {
	r.kept += int64(len(b))
	if r.tap == nil || len(b) == 0 {
		return nil
	}
	return r.tap.Segment(b)
}

func (r *Reader) file(name string, size int64, crc []byte) error {
	if r.tap == nil {
		return nil
	}
	return r.tap.File(name, size, crc)
}

// trailer keeps a piece of whatever follows the end marker. At the end it
// proves that nothing was missed, and returns io.EOF if all is well.
func (r *Reader) trailer() error {
	buf := r.buffer()
	n, err := r.in.Read(buf)
	if serr := r.segment(buf[:n]); serr != nil {
		return serr
	}
	if err == io.EOF && r.kept != r.in.n {
		return fmt.Errorf("archive of %d bytes could be reproduced to %d only: %w", r.in.n, r.kept, ErrRefused)
	}
	return err
}

// describe tells a malformed archive from a failing reader.
func (r *Reader) describe(err error) error {
	if errors.Is(err, errHeaders) {
		return fmt.Errorf("at byte %d: %w: %w", r.in.n, err, ErrRefused)
	}
	if r.in.err != nil && r.in.err != io.EOF {
		return r.in.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return fmt.Errorf("archive ends in the middle of an entry, after %d bytes: %w: %w", r.in.n, ErrRefused, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("at byte %d: %w: %w", r.in.n, err, ErrRefused)
}

func toEntry(hdr *tar.Header) (*Entry, error) {
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, refuse(hdr.Name, "sparse files cannot be exported byte for byte; repack without --sparse")
		}
	}
	if len(hdr.PAXRecords) > 0 {
		// The records are pieces of one string, up to 1 MiB of it: who keeps a
		// name would keep all of them.
		hdr.Name, hdr.Linkname = strings.Clone(hdr.Name), strings.Clone(hdr.Linkname)
	}
	e := &Entry{Name: hdr.Name, Mode: uint32(hdr.Mode) & 0o7777, ModTime: hdr.ModTime}
	switch hdr.Typeflag {
	case tar.TypeXGlobalHeader:
		e.Kind, e.Path = Ignored, "."
		return e, nil
	case tar.TypeGNUSparse:
		return nil, refuse(hdr.Name, "sparse files cannot be exported byte for byte; repack without --sparse")
	case tar.TypeReg, tar.TypeRegA:
		e.Kind, e.Size = File, hdr.Size
	case tar.TypeDir:
		e.Kind = Dir
	case tar.TypeSymlink:
		e.Kind, e.Link = Symlink, hdr.Linkname
	case tar.TypeLink:
		e.Kind = Hardlink
	case tar.TypeChar:
		e.Kind = Char
	case tar.TypeBlock:
		e.Kind = Block
	case tar.TypeFifo:
		e.Kind = Fifo
	default:
		return nil, refuse(hdr.Name, "unknown entry type %q", hdr.Typeflag)
	}
	clean, err := CleanName(hdr.Name)
	if err != nil {
		return nil, err
	}
	kind, target, err := classify(hdr.Name, clean)
	if err != nil {
		return nil, err
	}
	e.Path = target
	if kind != 0 {
		if e.Size > 0 {
			return nil, refuse(hdr.Name, "%s with %d bytes of content, which no file would hold", kind, e.Size)
		}
		e.Kind = kind
		return e, nil
	}
	if e.Kind == Hardlink {
		if e.Link, err = CleanName(hdr.Linkname); err != nil {
			return nil, refuse(hdr.Name, "hard link target: %v", err)
		}
	}
	if e.Kind == Symlink && (e.Link == "" || len(e.Link) > maxPath || strings.IndexByte(e.Link, 0) >= 0) {
		return nil, refuse(hdr.Name, "symlink target is empty, too long or holds a NUL byte")
	}
	if err := fillOwner(e, hdr); err != nil {
		return nil, err
	}
	return e, fillXattrs(e, hdr)
}

func fillOwner(e *Entry, hdr *tar.Header) error {
	if !id32(int64(hdr.Uid)) || !id32(int64(hdr.Gid)) {
		return refuse(hdr.Name, "owner %d:%d is out of range", hdr.Uid, hdr.Gid)
	}
	e.UID, e.GID = uint32(hdr.Uid), uint32(hdr.Gid)
	if e.Kind == Char || e.Kind == Block {
		if hdr.Devmajor < 0 || hdr.Devmajor > 0xfff || hdr.Devminor < 0 || hdr.Devminor > 0xfffff {
			return refuse(hdr.Name, "device number %d:%d is out of range", hdr.Devmajor, hdr.Devminor)
		}
		if e.Kind == Char && hdr.Devmajor == 0 && hdr.Devminor == 0 {
			return refuse(hdr.Name, "character device 0:0 is overlay's mark for what is deleted, and no device")
		}
		e.Major, e.Minor = uint32(hdr.Devmajor), uint32(hdr.Devminor)
	}
	return nil
}

func id32(v int64) bool { return v >= 0 && v < math.MaxUint32 }

// counter counts what the parser consumed and keeps the reader's own error.
type counter struct {
	r    *bufio.Reader
	n    int64
	left int64 // that may be read before it is too much
	err  error
	tee  *bytes.Buffer
}

var errHeaders = fmt.Errorf("the headers of one entry are longer than %d bytes", maxHeaders)

func (c *counter) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeaders
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.left -= int64(n)
	if err != nil {
		c.err = err
	}
	if c.tee != nil {
		c.tee.Write(p[:n])
	}
	return n, err
}
