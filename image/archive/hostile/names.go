package hostile

import "strings"

func names() []Case {
	return []Case{
		{
			Name: "name that climbs", CVE: "CVE-2001-1267, CVE-2007-4559, CVE-2020-10696",
			What:    "../../… in an entry's name (GNU tar, Python's tarfile, Buildah)",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) { t.file(climb(out)+"/pwned", Payload) }),
		},
		{
			Name: "name that climbs after a while", CVE: "CVE-2016-6321",
			What:    "a/b/../../../x: what a prefix check leaves (GNU tar)",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) { t.dirs("a/", "a/b/").file("a/b/../../"+climb(out)+"/pwned", Payload) }),
		},
		{
			Name: "name that climbs and stays inside", CVE: "",
			What:    "a/../f is f",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) { t.dir("a/").file("a/../f", Payload) }),
		},
		{
			Name: "absolute name", CVE: "CVE-2021-32804",
			What:    "/path/of/the/host: it is beneath the layer's root (node-tar)",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) { t.file(out+"/pwned", Payload) }),
		},
		{
			Name: "absolute name that climbs", CVE: "CVE-2002-0399",
			What:    "/../..: without its slash it climbs (GNU tar), from the root it does not",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) { t.file("/"+climb(out)+"/pwned", Payload) }),
		},
		{
			Name: "absolute name with many slashes", CVE: "CVE-2021-32804",
			What:    "////path: taking one slash away leaves another (node-tar)",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) { t.file("////"+strings.ReplaceAll(out, "/", "///")+"/pwned", Payload) }),
		},
		{
			Name: "backslashes", CVE: "CVE-2021-37701, CVE-2021-37713",
			What:    `..\..\x is one name on Linux`,
			Verdict: Stored, Lands: `..\..\pwned`,
			write: one(func(t *tarball, out string) { t.file(`..\..\pwned`, Payload) }),
		},
		{
			Name: "NUL in a name", CVE: "",
			What:    "a PAX path whose rest the kernel would not see",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) { t.pax("path", "good\x00/../../bad").file("x", Payload) }),
		},
		{
			Name: "newlines and escapes in names", CVE: "",
			What:    "what a terminal or a list would take for more than a name",
			Verdict: Stored, Lands: "a\nb\x1b[31m\t\"<&>",
			write: one(func(t *tarball, out string) { t.file("a\nb\x1b[31m\t\"<&>", Payload).link("l\n", "\x1b]0;x\a\n") }),
		},
		{
			Name: "newlines in the name of a refused entry", CVE: "",
			What:    "the error has one line all the same, and no escapes",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) { t.file("../\nbulkhead: all is well\x1b[2J", Payload) }),
		},
		{
			Name: "names that are not UTF-8", CVE: "",
			What:    "bytes, which JSON cannot hold",
			Verdict: Stored, Lands: "\xff\xfe\xed\xa0\x80",
			write: one(func(t *tarball, out string) { t.file("\xff\xfe\xed\xa0\x80", Payload).link("\x80", "\xff/\xfe") }),
		},
		{
			Name: "one name in two spellings", CVE: "CVE-2021-37712",
			What:    "é composed and decomposed are two names; a symlink by one and a file by the other (node-tar)",
			Verdict: Stored, Lands: "cafe\u0301/pwned",
			write: one(func(t *tarball, out string) {
				t.link("caf\u00e9", out).dir("cafe\u0301/").file("cafe\u0301/pwned", Payload)
			}),
		},
		{
			Name: "names that differ in case", CVE: "CVE-2021-37701",
			What:    "they are two: a symlink Esc is not the directory esc",
			Verdict: Stored, Lands: "esc/pwned",
			write: one(func(t *tarball, out string) { t.link("Esc", out).dir("esc/").file("esc/pwned", Payload) }),
		},
		{
			Name: "1,000 directories deep", CVE: "CVE-2024-28863",
			What:    "folders in folders (node-tar had no bound)",
			Verdict: Stored, Lands: strings.Repeat("d/", 1000) + "f",
			write: one(func(t *tarball, out string) { t.file(strings.Repeat("d/", 1000)+"f", Payload) }),
		},
		{
			Name: "a name of 5,000 bytes", CVE: "",
			What:    "longer than any path of the kernel's",
			Verdict: Refused, Says: "longer than 4095",
			write: one(func(t *tarball, out string) { t.file(strings.Repeat("d/", 2500)+"f", Payload) }),
		},
		{
			Name: "path longer than PATH_MAX in steps", CVE: "CVE-2025-4517",
			What:    "short names through symlinks to deep directories make a path that no call can take whole",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				long := strings.Repeat("x", 200)
				at := ""
				for i := range 10 {
					at += long + "/"
					t.dir(at)
					if i == 9 {
						t.link("deep", at)
					}
				}
				deeper := ""
				for range 10 {
					deeper += long + "/"
					t.dir("deep/" + deeper)
				}
			}),
		},
		{
			Name: "a long name that is refused", CVE: "",
			What:    "3,600 bytes that no terminal shows, said in the refusal",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) {
				t.file(strings.Repeat("\x1b[2J\xff/", 400)+strings.Repeat("../", 401)+"x", Payload)
			}),
		},
		{
			Name: "a long name that nothing leads to", CVE: "",
			What:    "the same, refused where it is made",
			Verdict: Refused, Says: "not a directory",
			write: one(func(t *tarball, out string) {
				t.link("x", "y").file("x/"+strings.Repeat("\x1b[2J\xff/", 600)+"f", Payload)
			}),
		},
		{
			Name: "a component of 256 bytes", CVE: "",
			What:    "longer than any file system takes",
			Verdict: Refused, Says: "longer than 255",
			write: one(func(t *tarball, out string) { t.file(strings.Repeat("n", 256), Payload) }),
		},
		{
			Name: "root as a symlink", CVE: "CVE-2021-29136",
			What:    "the entry . is a symlink to the host: umoci put it in the root's place and wrote the next layer there",
			Verdict: Refused, Says: "root",
			write: stack(
				func(t *tarball, out string) { t.link(".", out) },
				func(t *tarball, out string) { t.file("pwned", Payload) }),
		},
		{
			Name: "root as a symlink, by a slash", CVE: "CVE-2021-29136",
			What:    "the same, named /",
			Verdict: Refused, Says: "root",
			write: one(func(t *tarball, out string) { t.link("/", out) }),
		},
		{
			Name: "root as a file", CVE: "CVE-2021-29136",
			What:    "the entry ./ is a file",
			Verdict: Refused, Says: "root",
			write: one(func(t *tarball, out string) { t.file("a/..", Payload) }),
		},
		{
			Name: "root as a device", CVE: "CVE-2021-29136",
			What:    "the entry . is a device",
			Verdict: Refused, Says: "root",
			write: one(func(t *tarball, out string) { t.add(head{kind: char, name: ".", major: 1, minor: 3}) }),
		},
		{
			Name: "root as a hard link", CVE: "CVE-2021-29136",
			What:    "the entry . is another name of a directory",
			Verdict: Refused, Says: "root",
			write: one(func(t *tarball, out string) { t.dir("d/").hard(".", "d") }),
		},
		{
			Name: "no name", CVE: "",
			What:    "an empty name is no file",
			Verdict: Refused, Says: "root",
			write: one(func(t *tarball, out string) { t.file("", Payload) }),
		},
		{
			Name: "names of the store and of drivers", CVE: "",
			What:    "diff, link, lower, committed, merged, l and work: files that overlay2 keeps beside a layer",
			Verdict: Stored, Lands: "link",
			write: one(func(t *tarball, out string) {
				t.dirs("diff/", "work/", "l/").file("link", Payload).file("lower", "l/A:l/B").file("committed", "").link("merged", out)
			}),
		},
		{
			Name: "the host's own record of symlinks", CVE: "",
			What:    ".wh..wh.bulkhead is where unprivileged hosts note what symlinks cannot carry",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.add(head{kind: folder, name: ".wh..wh.bulkhead/"}).file("d/.wh..wh.bulkhead", "")
			}),
		},
	}
}
