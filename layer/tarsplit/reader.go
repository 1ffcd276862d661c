package tarsplit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/vbatts/tar-split/tar/storage"
)

// MaxEntry is the longest entry that is read, as JSON, in bytes. tar-split
// gives the header of a file a segment of its own; only what follows the end
// of an archive has ever been one of many megabytes.
const MaxEntry = 256 << 20

// lineBuffer holds the lines that are scanned directly. A segment of 64 KiB,
// which is as long as writers make them but for old ones, fits.
const lineBuffer = 128 << 10

// Reader is a storage.Unpacker. It is for one goroutine at a time.
type Reader struct {
	r     *bufio.Reader
	seen  names
	entry storage.Entry
	slow  *json.Decoder // set once a line was not as expected
	limit limitReader
}

// NewReader returns a Reader of r, which it may read beyond the last entry.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, lineBuffer), seen: newNames(), limit: limitReader{max: MaxEntry}}
}

// Next returns the next entry, valid until the following call, or io.EOF.
// A file of a cleaned path that occurred before is storage.ErrDuplicatePath;
// other errors are those of r and of encoding/json.
func (r *Reader) Next() (*storage.Entry, error) {
	if err := r.next(); err != nil {
		return nil, err
	}
	if err := r.seen.add(&r.entry); err != nil {
		return nil, err
	}
	return &r.entry, nil
}

func (r *Reader) next() error {
	if r.slow != nil {
		return r.decode()
	}
	line, err := r.r.ReadSlice('\n')
	if err == nil && parseLine(line, &r.entry) {
		return nil
	}
	if err == io.EOF && len(line) == 0 {
		return err
	}
	// The decoder starts where this line does, so that it sees values as they
	// are, however they are spread over lines, and then the same error.
	var after io.Reader = r.r
	if err != nil && err != bufio.ErrBufferFull {
		after = failed{err}
	}
	r.limit.r = io.MultiReader(bytes.NewReader(bytes.Clone(line)), after)
	r.slow = json.NewDecoder(&r.limit)
	return r.decode()
}

func (r *Reader) decode() error {
	r.limit.left = r.limit.max
	r.entry = storage.Entry{}
	return r.slow.Decode(&r.entry)
}

// failed is a reader that has come to its error.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// limitReader bounds what the decoder takes in for one entry.
type limitReader struct {
	r         io.Reader
	max, left int
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("an entry is longer than %d bytes", l.max)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
