package hostile

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Entry types of tar.
const (
	regular  = '0'
	hardlink = '1'
	symlink  = '2'
	char     = '3'
	block    = '4'
	folder   = '5'
	fifo     = '6'
	global   = 'g'
	extended = 'x'
	longName = 'L'
	longLink = 'K'
	sparse   = 'S'
)

// tarball writes tar entries exactly as it is told to.
type tarball struct{ bytes.Buffer }

// head is one header. Zero fields are those of an ordinary file.
type head struct {
	kind         byte
	name, link   string
	mode         int64
	uid, gid     int64
	size         int64 // what the header says; body's length if 0
	mtime        int64
	major, minor int64
	gnu          bool             // GNU's magic and not POSIX's
	edit         func(raw []byte) // changes the header before it is summed
	body         string           // padded, whatever size says
}

func (t *tarball) add(h head) *tarball {
	if h.kind == 0 {
		h.kind = regular
	}
	if h.mode == 0 {
		h.mode = 0o644
		if h.kind == folder {
			h.mode = 0o755
		}
	}
	if h.size == 0 {
		h.size = int64(len(h.body))
	}
	if h.mtime == 0 {
		h.mtime = 1_000_000_000
	}
	if len(h.name) > 100 {
		t.pax("path", h.name)
		h.name = h.name[:100]
	}
	if len(h.link) > 100 {
		t.pax("linkpath", h.link)
		h.link = h.link[:100]
	}
	raw := make([]byte, 512)
	copy(raw, h.name)
	number(raw[100:108], h.mode)
	number(raw[108:116], h.uid)
	number(raw[116:124], h.gid)
	number(raw[124:136], h.size)
	number(raw[136:148], h.mtime)
	raw[156] = h.kind
	copy(raw[157:257], h.link)
	copy(raw[257:], "ustar\x0000")
	if h.gnu {
		copy(raw[257:], "ustar  \x00")
	}
	number(raw[329:337], h.major)
	number(raw[337:345], h.minor)
	if h.edit != nil {
		h.edit(raw)
	}
	checksum(raw)
	t.Write(raw)
	t.padded(h.body)
	return t
}

func (t *tarball) padded(body string) {
	t.WriteString(body)
	t.Write(make([]byte, (512-len(body)%512)%512))
}

// number writes octal digits, or base 256 for what they cannot hold.
func number(field []byte, n int64) {
	if text := strconv.FormatInt(n, 8); n >= 0 && len(text) < len(field) {
		copy(field, strings.Repeat("0", len(field)-1-len(text))+text)
		return
	}
	base256(field, n)
}

func base256(field []byte, n int64) {
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}

func checksum(raw []byte) {
	copy(raw[148:156], "        ")
	sum := 0
	for _, b := range raw {
		sum += int(b)
	}
	copy(raw[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

func (t *tarball) file(name, body string) *tarball { return t.add(head{name: name, body: body}) }
func (t *tarball) dir(name string) *tarball        { return t.add(head{kind: folder, name: name}) }
func (t *tarball) link(name, to string) *tarball {
	return t.add(head{kind: symlink, name: name, link: to})
}
func (t *tarball) hard(name, to string) *tarball {
	return t.add(head{kind: hardlink, name: name, link: to})
}
func (t *tarball) dirs(names ...string) *tarball {
	for _, n := range names {
		t.dir(n)
	}
	return t
}

// pax writes an extended header for the entry that follows, key and value in
// turn.
func (t *tarball) pax(pairs ...string) *tarball {
	return t.add(head{kind: extended, name: "PaxHeaders.0/x", body: records(pairs...)})
}

func records(pairs ...string) string {
	var body strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		body.WriteString(record(pairs[i], pairs[i+1]))
	}
	return body.String()
}

// record is a PAX record, whose length counts its own digits.
func record(key, value string) string {
	rest := " " + key + "=" + value + "\n"
	n := len(rest) + 1
	for len(strconv.Itoa(n))+len(rest) != n {
		n++
	}
	return strconv.Itoa(n) + rest
}

// end writes the two blocks that end an archive.
func (t *tarball) end() []byte {
	t.Write(make([]byte, 1024))
	return t.Bytes()
}

// one is an archive of one layer.
func one(fill func(t *tarball, out string)) func(io.Writer, string) error {
	return stack(func(t *tarball, out string) { fill(t, out) })
}

// stack is an archive of layers on top of each other.
func stack(fills ...func(t *tarball, out string)) func(io.Writer, string) error {
	return func(w io.Writer, out string) error {
		var layers []layer
		for _, fill := range fills {
			t := &tarball{}
			fill(t, out)
			layers = append(layers, plain(t.end()))
		}
		return dockerSave(w, layers...)
	}
}
