package hostile

func whiteouts() []Case {
	empty := func(names ...string) func(t *tarball, out string) {
		return func(t *tarball, out string) {
			for _, n := range names {
				t.file(n, "")
			}
		}
	}
	return []Case{
		{
			Name: "whiteout that climbs", CVE: "CVE-2014-6407",
			What:    "../../…/.wh.secret deletes a file of the host",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) { t.file(climb(out)+"/.wh.secret", "") }),
		},
		{
			Name: "whiteout of the parent", CVE: "",
			What:    ".wh... is .wh. and .., the directory above the layer",
			Verdict: Refused, Says: "whiteout without a target",
			write: one(empty("d/.wh...")),
		},
		{
			Name: "whiteout of the root's parent", CVE: "",
			What:    "the same at the top, where .. would be all layers",
			Verdict: Refused, Says: "whiteout without a target",
			write: one(empty(".wh...")),
		},
		{
			Name: "whiteout of the directory itself", CVE: "",
			What:    ".wh.. is .wh. and ., the layer's own directory",
			Verdict: Refused, Says: "whiteout without a target",
			write: one(empty(".wh..")),
		},
		{
			Name: "whiteout of nothing", CVE: "",
			What:    ".wh. has no target",
			Verdict: Refused, Says: "whiteout without a target",
			write: one(empty(".wh.")),
		},
		{
			Name: "whiteout through a symlink", CVE: "CVE-2014-6407",
			What:    "the whiteout lies beneath a symlink to the host's directory",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				parents(t, out)
				t.link("esc", out).file("esc/.wh.secret", "").file("esc/.wh.dir", "")
			}),
		},
		{
			Name: "whiteout through a lower layer's symlink", CVE: "CVE-2014-6407, CVE-2025-45582",
			What:    "the symlink came with the layer below",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { parents(t, out); t.link("esc", climb(out)) },
				empty("esc/.wh.secret", "esc/.wh.dir")),
		},
		{
			Name: "whiteout of a symlink", CVE: "",
			What:    "the symlink goes, and not what it points to",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { t.link("s", out+"/secret").link("d", out) },
				empty(".wh.s", ".wh.d")),
		},
		{
			Name: "opaque marker through a symlink", CVE: "CVE-2014-6407",
			What:    "it empties the directory that it lies in: the host's",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { parents(t, out); t.link("esc", out) },
				empty("esc/.wh..wh..opq")),
		},
		{
			Name: "opaque marker that climbs", CVE: "",
			What:    "as above, by ..",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) { t.file(climb(out)+"/.wh..wh..opq", "") }),
		},
		{
			Name: "opaque marker at the root", CVE: "",
			What:    "all of the layers below is hidden, and nothing else",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { t.dir("d/").file("d/f", "lower\n") },
				empty(".wh..wh..opq", "f")),
		},
		{
			Name: "opaque marker at the root, then whiteouts", CVE: "",
			What:    "what is hidden already is hidden again: taking the first mark away would show it",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { t.dir("d/").file("d/f", "lower\n").file("g", "lower\n") },
				empty(".wh..wh..opq", ".wh.g", ".wh.d", ".wh.nothing")),
		},
		{
			Name: "opaque marker beneath a file", CVE: "",
			What:    "what it is in is no directory",
			Verdict: Refused, Overlay: Stored, Says: "the path leads through something that is not a directory",
			write: stack(
				func(t *tarball, out string) { t.file("f", "lower\n") },
				empty("f/.wh..wh..opq", "f/.wh.x")),
		},
		{
			Name: "whiteout with content", CVE: "",
			What:    "what no file holds could not come out again",
			Verdict: Refused, Says: "bytes of content",
			write: one(func(t *tarball, out string) { t.file(".wh.x", Payload) }),
		},
		{
			Name: "whiteout of a file of the same layer", CVE: "",
			What:    "the file's content would be lost",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) { t.file("f", "content").file(".wh.f", "") }),
		},
		{
			Name: "directory of a whiteout's name", CVE: "",
			What:    ".wh.d/f is a file beneath what a union file system never shows",
			Verdict: Stored,
			write:   one(func(t *tarball, out string) { t.dir(".wh.d/").file(".wh.d/f", "") }),
		},
		{
			Name: "whiteouts by other types", CVE: "",
			What:    "a symlink, a device and a directory of a whiteout's name",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.link(".wh.s", out+"/secret").dir(".wh.dir/").add(head{kind: char, name: ".wh.c", major: 1, minor: 3})
			}),
		},
		{
			Name: "AUFS's own directories", CVE: "",
			What:    ".wh..wh.plnk and the like, with names that lead out",
			Verdict: Refused, Says: "leads out of the layer",
			write: one(func(t *tarball, out string) {
				t.dir(".wh..wh.plnk/").file(".wh..wh.plnk/../../secret", "")
			}),
		},
	}
}
