package hostile

import (
	"strconv"
	"strings"
)

func headers() []Case {
	// rawSize writes a size field as it is given.
	rawSize := func(field string) func(*tarball, string) {
		return func(t *tarball, out string) {
			t.add(head{name: "f", edit: func(raw []byte) { copy(raw[124:136], field) }, body: Payload})
		}
	}
	return []Case{
		{
			Name: "negative size", CVE: "CVE-2025-8194, CVE-2026-59874",
			What:    "-1 in base 256: seeking back reads the same header for ever (Python's tarfile, node-tar)",
			Verdict: Refused, Says: "header",
			write: one(rawSize(strings.Repeat("\xff", 12))),
		},
		{
			Name: "most negative size", CVE: "CVE-2025-8194",
			What:    "-2^63",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.add(head{name: "f", edit: func(raw []byte) { base256(raw[124:136], -1<<63); copy(raw[124:128], "\xff\xff\xff\xff") }})
			}),
		},
		{
			Name: "size that overflows", CVE: "",
			What:    "2^95 in base 256",
			Verdict: Refused, Says: "header",
			write: one(rawSize("\xbf" + strings.Repeat("\xff", 11))),
		},
		{
			Name: "size of 2^63-1", CVE: "",
			What:    "adding the padding to it overflows",
			Verdict: Refused, Says: "ends in the middle",
			write: one(func(t *tarball, out string) {
				t.add(head{name: "f", edit: func(raw []byte) { base256(raw[124:136], 1<<63-1) }})
			}),
		},
		{
			Name: "size of 2^63-1, by PAX", CVE: "",
			What:    "the same in an extended header",
			Verdict: Refused, Says: "ends in the middle",
			write: one(func(t *tarball, out string) { t.pax("size", "9223372036854775807").file("f", Payload) }),
		},
		{
			Name: "negative size, by PAX", CVE: "CVE-2025-8194",
			What:    "size=-512",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) { t.pax("size", "-512").file("f", Payload) }),
		},
		{
			Name: "size that is no number", CVE: "",
			What:    "letters, and 9 in octal",
			Verdict: Refused, Says: "header",
			write: one(rawSize("0000000009z\x00")),
		},
		{
			Name: "two sizes", CVE: "CVE-2025-62518",
			What:    "PAX says one size and the header another: who heeds the wrong one takes the payload for entries (async-tar)",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				inner := (&tarball{}).file("smuggled", Payload).Bytes()
				t.pax("size", itoa(len(Payload))).add(head{name: "f", edit: func(raw []byte) { number(raw[124:136], 0) }, body: Payload})
				t.pax("size", itoa(len(inner))).add(head{name: "carrier", edit: func(raw []byte) { number(raw[124:136], 0) }, body: string(inner)})
			}),
		},
		{
			Name: "two sizes, neither of them 0", CVE: "CVE-2026-33055",
			What:    "the header's is heeded by some (tar-rs), PAX's by all others",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				t.pax("size", itoa(len(Payload))).add(head{name: "f", size: 1024, body: Payload})
				t.file("g", "")
			}),
		},
		{
			Name: "size of what is between", CVE: "CVE-2026-53655",
			What:    "a PAX size before a GNU long name: it is the file's, and not the name's (node-tar)",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				t.pax("size", itoa(len(Payload))).add(head{kind: longName, gnu: true, name: "././@LongLink", body: "f\x00"})
				t.add(head{name: "x", gnu: true, edit: func(raw []byte) { number(raw[124:136], 0) }, body: Payload})
			}),
		},
		{
			Name: "directory with a size", CVE: "CVE-2025-62518",
			What:    "its payload is skipped by some, and read as entries by others",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.add(head{kind: folder, name: "d/", size: 512}).file("f", "")
			}),
		},
		{
			Name: "GNU sparse file", CVE: "CVE-2026-32288",
			What:    "the old form, with more maps than memory (Go's archive/tar)",
			Verdict: Refused, Says: "sparse",
			write: one(func(t *tarball, out string) { oldSparse(t, 8) }),
		},
		{
			Name: "GNU sparse file of 8 EiB", CVE: "CVE-2026-32288",
			What:    "a hole as long as a number can say",
			Verdict: Refused, Says: "sparse",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: sparse, name: "s", gnu: true, edit: func(raw []byte) {
					base256(raw[483:495], 1<<63-1)
				}})
			}),
		},
		{
			Name: "GNU sparse file whose pieces overlap", CVE: "",
			What:    "two pieces at one place",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: sparse, name: "s", gnu: true, body: strings.Repeat("x", 512), edit: func(raw []byte) {
					for i := range 2 {
						copy(raw[386+24*i:], "00000000000\x0000000001000\x00")
					}
					copy(raw[483:], "00000002000\x00")
				}})
			}),
		},
		{
			Name: "PAX sparse file 0.0", CVE: "CVE-2019-9923",
			What:    "a map in many records, malformed at the end",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.pax("GNU.sparse.offset", "0", "GNU.sparse.offset", "1", "GNU.sparse.size", "9").file("s", "")
			}),
		},
		{
			Name: "PAX sparse file 0.1", CVE: "CVE-2019-9923",
			What:    "a map in one record, with a hole of 8 EiB",
			Verdict: Refused, Says: "sparse",
			write: one(func(t *tarball, out string) {
				t.pax("GNU.sparse.map", "9223372036854775807,0", "GNU.sparse.numblocks", "1", "GNU.sparse.size", "9223372036854775807").file("s", "")
			}),
		},
		{
			Name: "PAX sparse file 1.0", CVE: "CVE-2025-58183",
			What:    "a map in the payload that says it has 2^40 pieces (Go's archive/tar, tar-split)",
			Verdict: Refused, Says: "middle of an entry",
			write: one(func(t *tarball, out string) {
				t.pax("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.name", "s", "GNU.sparse.realsize", "0").
					file("s", "1099511627776\n"+strings.Repeat("0\n", 300))
			}),
		},
		{
			Name: "PAX record that lies of its length", CVE: "CVE-2019-20907",
			What:    "length 0, a loop that goes nowhere (Python's tarfile)",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: extended, name: "x", body: "0 path=a\n"}).file("f", Payload)
			}),
		},
		{
			Name: "PAX record longer than its header", CVE: "CVE-2019-9923",
			What:    "999999999999 path=…",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: extended, name: "x", body: "999999999999999999999 path=a\n"}).file("f", Payload)
			}),
		},
		{
			Name: "PAX keys twice", CVE: "",
			What:    "two paths, two sizes: the last counts, for the parser and for the store",
			Verdict: Stored, Lands: "second",
			write: one(func(t *tarball, out string) {
				t.pax("path", "../../first", "path", "second", "size", "1", "size", itoa(len(Payload))).file("x", Payload)
			}),
		},
		{
			Name: "global PAX header with a path", CVE: "",
			What:    "it would rename every entry that follows; it is kept and asks for nothing",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: global, name: "g", body: records("path", climb(out)+"/pwned", "uid", "0")}).file("f", Payload)
			}),
		},
		{
			Name: "PAX header of 2 MiB", CVE: "CVE-2022-2879",
			What:    "read whole, whatever its length (Go's archive/tar, tar-split)",
			Verdict: Refused, Says: "header field too long",
			write: one(func(t *tarball, out string) { t.pax("comment", strings.Repeat("x", 2<<20)).file("f", Payload) }),
		},
		{
			Name: "GNU long name of 2 MiB", CVE: "CVE-2022-2879",
			What:    "the same as a name",
			Verdict: Refused, Says: "header field too long",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: longName, gnu: true, name: "././@LongLink", body: strings.Repeat("d/", 1<<20)}).add(head{name: "f", gnu: true})
			}),
		},
		{
			Name: "GNU long link of 2 MiB", CVE: "CVE-2022-2879",
			What:    "the same as a symlink's target",
			Verdict: Refused, Says: "header field too long",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: longLink, gnu: true, name: "././@LongLink", body: strings.Repeat("d/", 1<<20)}).add(head{kind: symlink, name: "f", link: "x", gnu: true})
			}),
		},
		{
			Name: "long names that rename each other", CVE: "",
			What:    "a GNU long name before a PAX path before a name: one of them is meant",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: longName, gnu: true, name: "././@LongLink", body: "../../gnu\x00"}).pax("path", "pax").file("name", Payload)
			}),
		},
		{
			Name: "wrong checksum", CVE: "",
			What:    "a header that was changed",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.file("f", "")
				t.Bytes()[0] = 'g'
			}),
		},
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

// oldSparse writes a sparse file in GNU's old form with blocks of more map.
func oldSparse(t *tarball, blocks int) {
	piece := func(at []byte, i int) {
		number(at[:12], int64(i)*1024)
		number(at[12:24], 1)
	}
	t.add(head{kind: sparse, name: "s", gnu: true, edit: func(raw []byte) {
		for i := range 4 {
			piece(raw[386+24*i:], i)
		}
		raw[482] = 1
		base256(raw[483:495], 1<<50)
	}})
	for b := range blocks {
		more := make([]byte, 512)
		for i := range 21 {
			piece(more[24*i:], 4+21*b+i)
		}
		if b < blocks-1 {
			more[504] = 1
		}
		t.Write(more)
	}
}
