package layertar

import (
	"archive/tar"
	"strings"
	"testing"
)

func TestAttributesThatNoFileOfTheKindHasStayInTheRecordAlone(t *testing.T) {
	all := map[string]string{}
	for _, name := range []string{"user.a", "trusted.a", "security.capability", "security.selinux", "security.ima", "security.evm", "system.other", "nonsense", "com.apple.x"} {
		all["SCHILY.xattr."+name] = "\x01\x00\x00\x02" + strings.Repeat("\x00", 16)
	}
	for kind, want := range map[byte]string{
		tar.TypeReg:     "security.capability trusted.a user.a",
		tar.TypeDir:     "security.capability trusted.a user.a",
		tar.TypeSymlink: "security.capability trusted.a",
		tar.TypeFifo:    "security.capability trusted.a",
	} {
		data := build(t, rec{tar.Header{Name: "x", Linkname: "y", Typeflag: kind, PAXRecords: all}, ""})
		entries, k, err := readAll(data)
		if err != nil || k.out.String() != string(data) {
			t.Fatalf("%c: %v", kind, err)
		}
		var got []string
		for _, x := range entries[0].Xattrs {
			got = append(got, x.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%c: %q, want %q", kind, got, want)
		}
	}
}

func TestAccessListsAreThoseOfTheKernel(t *testing.T) {
	entry := func(tag, perm byte) string { return string([]byte{tag, 0, perm, 0, 1, 0, 0, 0}) }
	const head = "\x02\x00\x00\x00"
	for name, c := range map[string]struct {
		value string
		mode  uint32
		ok    bool
	}{
		"minimal":       {head + entry(1, 6) + entry(4, 4) + entry(32, 0), 0o640, true},
		"with a mask":   {head + entry(1, 7) + entry(2, 7) + entry(2, 1) + entry(4, 7) + entry(8, 7) + entry(16, 5) + entry(32, 1), 0o751, true},
		"empty":         {head, 0, false},
		"nothing":       {"", 0, false},
		"old":           {"\x01\x00\x00\x00" + entry(1, 6) + entry(4, 4) + entry(32, 0), 0, false},
		"half an entry": {head + entry(1, 6) + entry(4, 4) + entry(32, 0)[:7], 0, false},
		"no mask":       {head + entry(1, 6) + entry(2, 6) + entry(4, 4) + entry(32, 0), 0, false},
		"no owner":      {head + entry(4, 4) + entry(32, 0), 0, false},
		"order":         {head + entry(4, 4) + entry(1, 6) + entry(32, 0), 0, false},
		"twice":         {head + entry(1, 6) + entry(1, 6) + entry(4, 4) + entry(32, 0), 0, false},
		"rights":        {head + entry(1, 8) + entry(4, 4) + entry(32, 0), 0, false},
		"unknown":       {head + entry(1, 6) + entry(3, 4) + entry(4, 4) + entry(32, 0), 0, false},
	} {
		if mode, ok := parseACL(c.value); ok != c.ok || mode != c.mode {
			t.Errorf("%s: %o %v", name, mode, ok)
		}
	}
}
