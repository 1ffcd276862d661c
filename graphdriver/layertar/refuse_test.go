package layertar

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func pax(name, body string, records map[string]string) rec {
	return rec{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: records}, body}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("d/", 2100)
	paxPath := func(key, value string) []byte {
		return ended(rawPAX(key, value), rawHeader('0', "x", nil))
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"GNU sparse, old form": {ended(rawHeader('S', "s", func(b []byte) {
			copy(b[257:], "ustar  \x00")
			copy(b[386:], "00000000000\x0000000000000\x00")
			copy(b[483:], "00000000000\x00")
		})), "sparse"},
		"PAX sparse 0.0":       {ended(rawPAX("GNU.sparse.numblocks", "0", "GNU.sparse.size", "0"), rawHeader('0', "x", nil)), "sparse"},
		"PAX sparse 0.1":       {ended(rawPAX("GNU.sparse.map", "0,0", "GNU.sparse.numblocks", "1", "GNU.sparse.size", "0"), rawHeader('0', "x", nil)), "sparse"},
		"PAX sparse 1.0":       {ended(rawPAX("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "s", "GNU.sparse.realsize", "0"), rawHeader('0', "x", func(b []byte) { copy(b[124:], "00000001000\x00") }), append([]byte("0\n"), make([]byte, 510)...)), "sparse"},
		"dot dot":              {build(t, reg("../x", "")), "out of the layer"},
		"dot dot inside":       {build(t, reg("a/../../x", "")), "out of the layer"},
		"only dot dot":         {build(t, kind("..", tar.TypeDir, "")), "out of the layer"},
		"name too long":        {build(t, reg(long+"x", "")), "longer than 4095"},
		"component too long":   {build(t, reg(strings.Repeat("x", 256), "")), "longer than 255"},
		"NUL in a name":        {paxPath("path", "a\x00b"), ""},
		"hard link out":        {build(t, kind("l", tar.TypeLink, "../../etc/shadow")), "hard link target"},
		"symlink to nothing":   {ended(rawHeader('2', "l", nil)), "symlink target"},
		"symlink too long":     {build(t, kind("l", tar.TypeSymlink, strings.Repeat("x", 5000))), "symlink target"},
		"whiteout with bytes":  {build(t, reg(".wh.x", "payload")), "whiteout with 7 bytes"},
		"opaque with bytes":    {build(t, reg("d/.wh..wh..opq", "payload")), "opaque marker with"},
		"AUFS file with bytes": {build(t, reg(".wh..wh.plnk/1.2", "payload")), "ignored entry with"},
		"whiteout of nothing":  {build(t, reg("d/.wh.", "")), "without a target"},
		"whiteout of dot dot":  {build(t, reg("d/.wh...", "")), "without a target"},
		"unknown type":         {ended(rawHeader('Z', "x", nil)), "unknown entry type"},
		"overlay's own xattr":  {build(t, pax("x", "", map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"})), "overlay"},
		"overlay's user xattr": {build(t, pax("x", "", map[string]string{"SCHILY.xattr.user.overlay.redirect": "y"})), "overlay"},
		"a record of owners":   {build(t, pax("x", "", map[string]string{"SCHILY.xattr.user.containers.override_stat": "0:0:0755"})), "record"},
		"xattr name too long":  {build(t, pax("x", "", map[string]string{"SCHILY.xattr." + strings.Repeat("u", 300): "y"})), "extended attribute"},
		"owner below zero":     {build(t, rec{tar.Header{Name: "x", Typeflag: tar.TypeReg, Uid: -1, Format: tar.FormatGNU}, ""}), "owner"},
		"device out of range":  {build(t, rec{tar.Header{Name: "x", Typeflag: tar.TypeChar, Devmajor: 1 << 20, Format: tar.FormatGNU}, ""}), "device number"},
		"negative size":        {ended(rawHeader('0', "x", func(b []byte) { copy(b[124:], bytes.Repeat([]byte{0xff}, 12)) })), ""},
		"replaces a file":      {build(t, reg("a", "1"), reg("/a", "2")), "removes or replaces"},
		"deletes its own file": {build(t, reg("a", "1"), reg(".wh.a", "")), "removes or replaces"},
		"deletes its own tree": {build(t, reg("d/e/a", "1"), reg(".wh.d", "")), "removes or replaces"},
		"link over its tree":   {build(t, reg("d/a", "1"), kind("d", tar.TypeSymlink, "e")), "removes or replaces"},
		"beneath a file":       {build(t, reg("a", "1"), reg("a/b", "2")), "lies beneath"},
		"cut in a header":      {build(t, reg("a", "1"))[:300], "middle"},
		"cut in the padding":   {build(t, reg("a", "12345"))[:700], "could be reproduced"},
		"cut in a payload":     {build(t, reg("a", strings.Repeat("x", 2000)))[:1000], "middle"},
		"cut in a PAX header":  {build(t, reg(strings.Repeat("é", 100), "1"))[:700], ""},
		"not a tar":            {bytes.Repeat([]byte("text "), 300), "invalid tar header"},
	} {
		_, _, err := readAll(c.data)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// rawPAX makes an extended header for the entry that follows.
func rawPAX(pairs ...string) []byte {
	var body bytes.Buffer
	for i := 0; i < len(pairs); i += 2 {
		rest := " " + pairs[i] + "=" + pairs[i+1] + "\n"
		n := len(rest) + 1
		for len(itoa(n))+len(rest) != n {
			n++
		}
		body.WriteString(itoa(n) + rest)
	}
	h := rawHeader('x', "pax", func(b []byte) { copy(b[124:], octal(body.Len())) })
	return append(h, append(body.Bytes(), make([]byte, (512-body.Len()%512)%512)...)...)
}

func TestEntriesAsked(t *testing.T) {
	data := build(t,
		rec{tar.Header{Name: "g", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c"}}, ""},
		kind("./", tar.TypeDir, ""), kind("/d//e/../", tar.TypeDir, ""), reg("d/f", "12"), kind("d/h", tar.TypeLink, "./d/f"),
		kind("d/s", tar.TypeSymlink, "../../outside"), reg("d/.wh.old", ""), reg("d/.wh..wh..opq", ""), reg(".wh..wh..opq", ""),
		kind(".wh..wh.plnk/", tar.TypeDir, ""), reg(".wh..wh.aufs", ""), reg("d/.wh..wh.x", ""),
		rec{tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3, Mode: 0o666, Uid: 7, Gid: 8}, ""},
		kind("pipe", tar.TypeFifo, ""), rec{tar.Header{Name: "su", Typeflag: tar.TypeReg, Mode: 0o104755}, ""},
		pax("x", "", map[string]string{"SCHILY.xattr.user.b": "2", "SCHILY.xattr.user.a": "1\x00"}),
		reg("\xff\xfe", "n"),
	)
	entries, _, err := readAll(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Kind.String()+" "+e.Path)
	}
	want := []string{
		"ignored entry .", "directory .", "directory d", "file d/f", "hard link d/h", "symlink d/s", "whiteout d/old", "opaque marker d", "opaque marker .",
		"ignored entry .wh..wh.plnk", "ignored entry .wh..wh.aufs", "ignored entry d/.wh..wh.x",
		"character device null", "fifo pipe", "file su", "file x", "file \xff\xfe",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if e := entries[4]; e.Link != "d/f" {
		t.Errorf("hard link to %q", e.Link)
	}
	if e := entries[5]; e.Link != "../../outside" {
		t.Errorf("symlink to %q", e.Link)
	}
	if e := entries[12]; e.Major != 1 || e.Minor != 3 || e.UID != 7 || e.GID != 8 || e.Mode != 0o666 {
		t.Errorf("device %+v", e)
	}
	if e := entries[14]; e.Mode != 0o4755 {
		t.Errorf("mode %o", e.Mode)
	}
	if e := entries[15]; !slices.Equal(e.Xattrs, []Xattr{{"user.a", "1\x00"}, {"user.b", "2"}}) {
		t.Errorf("xattrs %q", e.Xattrs)
	}
}

func TestThroughSymlinkIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		recs []rec
		want bool
	}{
		"no":           {[]rec{kind("d/", tar.TypeDir, ""), kind("l", tar.TypeSymlink, "d"), reg("d/f", "1")}, false},
		"yes":          {[]rec{kind("d/", tar.TypeDir, ""), kind("l", tar.TypeSymlink, "d"), reg("l/f", "1")}, true},
		"deeper":       {[]rec{kind("l", tar.TypeSymlink, "d"), reg("l/x/y/f", "1")}, true},
		"symlink late": {[]rec{reg("d/x/e", ""), kind("d", tar.TypeSymlink, "z"), reg("d/x/f", "1")}, true},
	} {
		r := NewReader(bytes.NewReader(build(t, c.recs...)), nil)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if err != io.EOF || r.ThroughSymlink() != c.want {
			t.Errorf("%s: %v, %v", name, r.ThroughSymlink(), err)
		}
	}
}

func TestReaderErrorIsNotARefusal(t *testing.T) {
	broken := errors.New("connection reset")
	data := build(t, reg("a", strings.Repeat("x", 5000)))
	for _, n := range []int{0, 100, 512, 2000, len(data) - 100} {
		r := NewReader(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(broken)), nil)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, broken) || errors.Is(err, ErrRefused) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(build(f, kind("d/", tar.TypeDir, ""), reg("d/f", "payload"), reg("d/.wh.x", ""), kind("l", tar.TypeLink, "d/f")))
	f.Add(build(f, pax("x", "y", map[string]string{"SCHILY.xattr.user.a": "1"})))
	f.Add(ended(rawPAX("GNU.sparse.map", "0,1", "GNU.sparse.numblocks", "1", "GNU.sparse.size", "9"), rawHeader('0', "x", nil)))
	f.Add(ended(rawHeader('S', "s", func(b []byte) { copy(b[257:], "ustar  \x00") })))
	f.Add(ended(rawHeader('L', "././@LongLink", func(b []byte) { copy(b[124:], octal(3)) }), []byte("abc"), make([]byte, 509), rawHeader('1', "l", nil)))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, k, err := readAll(data)
		if err == nil && !bytes.Equal(k.out.Bytes(), data) {
			t.Errorf("accepted %d bytes, tapped %d others", len(data), k.out.Len())
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("not a refusal: %v", err)
		}
		raw, _ := NewReader(bytes.NewReader(data), nil).Raw()
		got, rerr := io.ReadAll(raw)
		if (rerr == nil) != (err == nil) || err == nil && !bytes.Equal(got, data) {
			t.Errorf("raw: %v, entries: %v", rerr, err)
		}
	})
}

func FuzzCleanName(f *testing.F) {
	for _, s := range []string{"a/../b", "/", "..", ".wh.x", "a/.wh..wh..opq", ".wh..wh.plnk/x", "a\x00b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := CleanName(name)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
			return
		}
		if clean == "" || clean[0] == '/' || slices.Contains(strings.Split(clean, "/"), "..") {
			t.Errorf("%q became %q", name, clean)
		}
		if again, err := CleanName(clean); err != nil || again != clean {
			t.Errorf("%q, then %q: %v", clean, again, err)
		}
	})
}
