package confine

import (
	"archive/tar"
	"path"
	"strconv"
	"strings"
)

// tarBlock is the unit of an archive, in bytes.
const tarBlock = 512

// Where the fields of a header lie that are written here (POSIX.1-2017, pax,
// "ustar Interchange Format"): offset and length.
var (
	fieldName     = [2]int{0, 100}
	fieldMode     = [2]int{100, 8}
	fieldUID      = [2]int{108, 8}
	fieldGID      = [2]int{116, 8}
	fieldSize     = [2]int{124, 12}
	fieldMtime    = [2]int{136, 12}
	fieldSum      = [2]int{148, 7} // and a space
	fieldType     = 156
	fieldLinkname = [2]int{157, 100}
	fieldMagic    = 257
	fieldMajor    = [2]int{329, 8}
	fieldMinor    = [2]int{337, 8}
)

// appendHeader appends the very bytes that archive/tar writes for a header,
// for those that nearly all files have: short names in ASCII, no attributes,
// numbers that fit. It reports whether this is one. A time with a fraction
// gets a header of its own before.
func appendHeader(b []byte, h *tar.Header) ([]byte, bool) {
	sec, nsec := h.ModTime.Unix(), h.ModTime.Nanosecond()
	switch {
	case len(h.PAXRecords) != 0, !plain(h.Name), !plain(h.Linkname), h.Name == "",
		nsec != 0 && h.Format != tar.FormatPAX, h.Format != tar.FormatPAX && h.Format != tar.FormatUnknown,
		!fits(h.Mode, fieldMode), !fits(int64(h.Uid), fieldUID), !fits(int64(h.Gid), fieldGID), !fits(h.Size, fieldSize),
		!fits(sec, fieldMtime), !fits(h.Devmajor, fieldMajor), !fits(h.Devminor, fieldMinor),
		h.Typeflag < tar.TypeReg || h.Typeflag > tar.TypeFifo, h.Name[len(h.Name)-1] == '/' && h.Typeflag != tar.TypeDir, h.Uname != "", h.Gname != "", !h.AccessTime.IsZero(), !h.ChangeTime.IsZero():
		return b, false
	}
	if nsec != 0 {
		var rec [64]byte
		record := paxTime(rec[:0], sec, nsec)
		dir, file := path.Split(h.Name)
		name := path.Join(dir, "PaxHeaders.0", file)
		b = appendBlock(b, &tar.Header{Name: strings.TrimRight(name[:min(len(name), fieldName[1])], "/"), Typeflag: tar.TypeXHeader, Size: int64(len(record))}, 0)
		b = append(b, record...)
		b = append(b, make([]byte, tarBlock-len(record))...)
	}
	return appendBlock(b, h, sec), true
}

// plain reports whether a name needs no other than its field.
func plain(s string) bool {
	if len(s) > fieldName[1] {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] == 0 {
			return false
		}
	}
	return true
}

// fits reports whether a number can be written in a field in octal, with a NUL.
func fits(v int64, field [2]int) bool { return v >= 0 && v>>(3*(field[1]-1)) == 0 }

// paxTime is the record of a time with a fraction, without trailing zeros.
func paxTime(b []byte, sec int64, nsec int) []byte {
	var value [32]byte
	v := strconv.AppendInt(value[:0], sec, 10)
	point := len(v)
	v = strconv.AppendInt(v, int64(1e9+nsec), 10)
	v[point] = '.' // in place of the leading 1
	for v[len(v)-1] == '0' {
		v = v[:len(v)-1]
	}
	// The length of a record counts itself.
	n := len(" mtime=\n") + len(v)
	if n += 2; n > 99 {
		panic("a time of more than 90 digits")
	}
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, " mtime="...)
	b = append(b, v...)
	return append(b, '\n')
}

// appendBlock appends one header as it is.
func appendBlock(b []byte, h *tar.Header, mtime int64) []byte {
	at := len(b)
	b = append(b, make([]byte, tarBlock)...)
	block := b[at:]
	copy(block[fieldName[0]:][:fieldName[1]], h.Name)
	copy(block[fieldLinkname[0]:][:fieldLinkname[1]], h.Linkname)
	octal(block, fieldMode, h.Mode)
	octal(block, fieldUID, int64(h.Uid))
	octal(block, fieldGID, int64(h.Gid))
	octal(block, fieldSize, h.Size)
	octal(block, fieldMtime, mtime)
	block[fieldType] = h.Typeflag
	copy(block[fieldMagic:], "ustar\x0000")
	if h.Typeflag != tar.TypeXHeader {
		octal(block, fieldMajor, h.Devmajor)
		octal(block, fieldMinor, h.Devminor)
	}
	sum := int64(' ' * (fieldSum[1] + 1))
	for _, c := range block {
		sum += int64(c)
	}
	octal(block, fieldSum, sum)
	block[fieldSum[0]+fieldSum[1]] = ' '
	return b
}

// octal fills a field, with a NUL at its end.
func octal(block []byte, field [2]int, v int64) {
	for i := field[0] + field[1] - 2; i >= field[0]; i-- {
		block[i] = '0' + byte(v&7)
		v >>= 3
	}
}
