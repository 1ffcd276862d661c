package tarsplit

import (
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"io"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/vbatts/tar-split/tar/storage"
)

// Writer is a storage.Packer. Every entry is one Write, so w had better be
// buffered. It is for one goroutine at a time.
type Writer struct {
	w    io.Writer
	buf  []byte
	pos  int
	seen names
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, seen: newNames()} }

// AddEntry writes one entry and returns its position; e.Position is not
// looked at. A second file of the same cleaned path is
// storage.ErrDuplicatePath; any other error is w's. e is not kept.
func (w *Writer) AddEntry(e storage.Entry) (int, error) {
	if !utf8.ValidString(e.Name) {
		e.Name, e.NameRaw = "", []byte(e.Name)
	}
	if err := w.seen.add(&e); err != nil {
		return -1, err
	}
	e.Position = w.pos
	w.buf = appendEntry(w.buf[:0], &e)
	if _, err := w.w.Write(w.buf); err != nil {
		return -1, err
	}
	w.pos++
	return e.Position, nil
}

// appendEntry appends the line of an entry whose name is UTF-8.
func appendEntry(b []byte, e *storage.Entry) []byte {
	b = append(b, keyType...)
	b = strconv.AppendInt(b, int64(e.Type), 10)
	if e.Name != "" {
		b = append(b, keyName...)
		b = appendString(b, e.Name)
	}
	if len(e.NameRaw) > 0 {
		b = append(b, keyNameRaw...)
		b = appendBytes(b, e.NameRaw)
	}
	if e.Size != 0 {
		b = append(b, keySize...)
		b = strconv.AppendInt(b, e.Size, 10)
	}
	b = append(b, keyPayload...)
	b = appendBytes(b, e.Payload)
	b = append(b, keyPosition...)
	b = strconv.AppendInt(b, int64(e.Position), 10)
	return append(b, "}\n"...)
}

func appendBytes(b, data []byte) []byte {
	if data == nil {
		return append(b, null...)
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, '"')
}

// appendString leaves to encoding/json whatever it might escape.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			q, _ := json.Marshal(s) // never fails for a string
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// names are the paths of the files so far, by a hash of 128 bits that nobody
// outside can foresee: a million take little memory, however long they are.
type names struct {
	seeds [2]maphash.Seed
	seen  map[[2]uint64]struct{}
}

func newNames() names {
	return names{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, seen: map[[2]uint64]struct{}{}}
}

func (n names) add(e *storage.Entry) error {
	if e.Type != storage.FileType {
		return nil
	}
	clean := filepath.Clean(e.GetName())
	before := len(n.seen)
	n.seen[[2]uint64{maphash.String(n.seeds[0], clean), maphash.String(n.seeds[1], clean)}] = struct{}{}
	if len(n.seen) == before {
		return storage.ErrDuplicatePath
	}
	return nil
}
