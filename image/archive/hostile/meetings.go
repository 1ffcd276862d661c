package hostile

func meetings() []Case {
	return []Case{
		{
			Name: "file twice", CVE: "",
			What:    "the second would take the first's content, which tar-split wants again",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) { t.file("f", "first\n").file("f", Payload) }),
		},
		{
			Name: "empty file twice", CVE: "",
			What:    "no content is lost, but tar-split knows each path once",
			Verdict: Refused, Says: "occurs twice",
			write: one(func(t *tarball, out string) { t.file("f", "").file("f", "") }),
		},
		{
			Name: "file twice, in two spellings", CVE: "",
			What:    "f and ./x/../f",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) { t.file("f", "first\n").file("./x/../f", Payload) }),
		},
		{
			Name: "directory twice", CVE: "",
			What:    "tar-split knows each path once",
			Verdict: Refused, Says: "occurs twice",
			write: one(func(t *tarball, out string) { t.dir("d/").add(head{kind: folder, name: "d", mode: 0o700}) }),
		},
		{
			Name: "file, then a directory of its name", CVE: "",
			What:    "the file's content would be lost",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) { t.file("n", "first\n").dir("n/") }),
		},
		{
			Name: "directory, then a file of its name", CVE: "",
			What:    "an empty directory gives way",
			Verdict: Refused, Says: "occurs twice",
			write: one(func(t *tarball, out string) { t.dir("n/").file("n", Payload) }),
		},
		{
			Name: "file beneath a file", CVE: "",
			What:    "the parent is a file with content",
			Verdict: Refused, Says: "lies beneath",
			write: one(func(t *tarball, out string) { t.file("f", "first\n").file("f/g", Payload) }),
		},
		{
			Name: "one file by two symlinks", CVE: "",
			What:    "two names that meet in one file: the first's content is lost unnoticed",
			Verdict: Refused, Says: "could not be exported",
			write: one(func(t *tarball, out string) {
				t.dir("d/").link("a", "d").link("b", "d").file("a/f", "first\n").file("b/f", Payload)
			}),
		},
		{
			Name: "symlink moved away under a file", CVE: "CVE-2021-32803",
			What:    "a file was written through a symlink that then points elsewhere",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) {
				t.dirs("d/", "e/").link("s", "d").file("s/f", Payload).link("s", "e")
			}),
		},
		{
			Name: "device over a file", CVE: "",
			What:    "the file's content would be lost",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) {
				t.file("f", Payload).add(head{kind: char, name: "f", major: 1, minor: 3})
			}),
		},
		{
			Name: "file over a lower layer's device", CVE: "",
			What:    "the device is replaced, and never opened",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) {
					t.add(head{kind: fifo, name: "p"}).add(head{kind: block, name: "b", major: 8})
				},
				func(t *tarball, out string) { t.file("p", Payload).file("b", Payload) }),
		},
		{
			Name: "file beneath a lower layer's fifo", CVE: "CVE-2024-9676",
			What:    "the fifo is no directory, and opening it would wait for ever",
			Verdict: Refused, Overlay: Stored, Says: "not a directory",
			write: stack(
				func(t *tarball, out string) { t.add(head{kind: fifo, name: "p"}) },
				func(t *tarball, out string) { t.file("p/f", Payload) }),
		},
	}
}
