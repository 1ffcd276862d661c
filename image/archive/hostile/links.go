package hostile

import "strings"

// climb is the path of out from anywhere beneath the root.
func climb(out string) string { return strings.Repeat("../", 40) + out[1:] }

// inside is where an absolute path lies within a layer.
func inside(out string) string { return out[1:] }

// parents makes the directories that lead to out within the layer, so that
// what is resolved within finds something.
func parents(t *tarball, out string) {
	at := ""
	for part := range strings.SplitSeq(inside(out), "/") {
		at += part + "/"
		t.dir(at)
	}
}

func links() []Case {
	return []Case{
		{
			Name: "file through an absolute symlink", CVE: "CVE-2014-6407, CVE-2014-9356",
			What:    "a directory is a symlink to a path of the host, and a file is written beneath it (Docker)",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) {
				parents(t, out)
				t.link("esc", out).file("esc/pwned", Payload)
			}),
		},
		{
			Name: "file through a climbing symlink", CVE: "CVE-2014-6407, CVE-2007-4559",
			What:    "the same with ../../.. in the symlink",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) {
				parents(t, out)
				t.link("esc", climb(out)).file("esc/pwned", Payload)
			}),
		},
		{
			Name: "file through a symlink to what is not in the layer", CVE: "CVE-2014-6407, CVE-2021-38511",
			What:    "as above, and only the host has the directory (tar-rs made directories outside)",
			Verdict: Refused, Says: "the path leads through something that is not a directory",
			write: one(func(t *tarball, out string) { t.link("esc", out).file("esc/pwned", Payload) }),
		},
		{
			Name: "directory through a symlink", CVE: "CVE-2021-38511, CVE-2021-32803",
			What:    "a directory is made beneath a symlink out of the tree",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				parents(t, out)
				t.link("esc", climb(out)).dir("esc/made/").dir("esc/made/more/")
			}),
		},
		{
			Name: "file over a symlink", CVE: "CVE-2014-6407",
			What:    "a file has the name of a symlink to a file of the host: it must take its place, not be written through",
			Verdict: Stored, Lands: "s",
			write: stack(
				func(t *tarball, out string) { t.link("s", out+"/secret") },
				func(t *tarball, out string) { t.file("s", Payload) }),
		},
		{
			Name: "symlink of a lower layer, then a file through it", CVE: "CVE-2014-6407, CVE-2025-45582, CVE-2025-47290",
			What:    "one layer brings the symlink, the next writes through it (GNU tar in two archives; containerd between check and use)",
			Verdict: Stored,
			write: stack(
				func(t *tarball, out string) { parents(t, out); t.link("esc", climb(out)) },
				func(t *tarball, out string) { t.file("esc/pwned", Payload) }),
		},
		{
			Name: "directory replaced by a symlink between entries", CVE: "CVE-2021-32803, CVE-2021-37701",
			What:    "a directory is known to be one, becomes a symlink, and is written beneath (node-tar kept what it knew)",
			Verdict: Refused, Says: "occurs twice",
			write: one(func(t *tarball, out string) {
				parents(t, out)
				t.dir("d/").link("d", out).file("d/pwned", Payload)
			}),
		},
		{
			Name: "directory with files replaced by a symlink", CVE: "CVE-2021-32803",
			What:    "as above, and the directory already holds a file, which would be lost",
			Verdict: Refused, Says: "removes or replaces",
			write: one(func(t *tarball, out string) {
				t.dir("d/").file("d/f", "content").link("d", out).file("d/pwned", Payload)
			}),
		},
		{
			Name: "chain of symlinks", CVE: "CVE-2025-4517, CVE-2025-4330",
			What:    "each symlink is harmless, together they climb out (Python's tarfile, past PATH_MAX)",
			Verdict: Stored, Lands: "{out}/pwned",
			write: one(func(t *tarball, out string) {
				parents(t, out)
				at := "a"
				for range 12 {
					t.dir(at + "/")
					at += "/a"
				}
				t.link("up", at[:len(at)-2]).link("esc", "up/"+climb(out)).file("esc/pwned", Payload)
			}),
		},
		{
			Name: "symlinks that never end", CVE: "CVE-2025-4330",
			What:    "two symlinks point to each other, and a file is written beneath",
			Verdict: Refused, Says: "the path leads through something that is not a directory",
			write: one(func(t *tarball, out string) { t.link("a", "b").link("b", "a").file("a/pwned", Payload) }),
		},
		{
			Name: "file through a magic link", CVE: "CVE-2014-9356",
			What:    "a symlink to /proc/self/root or a descriptor leads out wherever the tree lies",
			Verdict: Refused, Says: "the path leads through something that is not a directory",
			write: one(func(t *tarball, out string) {
				t.link("esc", "/proc/self/root"+out).file("esc/pwned", Payload)
			}),
		},
		{
			Name: "hard link to a file of the host", CVE: "CVE-2014-6407, CVE-2018-20990",
			What:    "an absolute target: it means the layer's own, which is not there",
			Verdict: Refused, Says: "hard link to what does not exist",
			write: one(func(t *tarball, out string) { t.hard("h", out+"/secret") }),
		},
		{
			Name: "hard link that climbs", CVE: "CVE-2014-6407",
			What:    "../../.. in the target",
			Verdict: Refused, Says: "hard link target",
			write: one(func(t *tarball, out string) { t.hard("h", climb(out)+"/secret") }),
		},
		{
			Name: "hard link through a symlink", CVE: "CVE-2014-6407, CVE-2018-20990",
			What:    "the target lies beneath a symlink to the host's directory",
			Verdict: Refused, Says: "hard link to what does not exist",
			write: one(func(t *tarball, out string) { t.link("esc", out).hard("h", "esc/secret") }),
		},
		{
			Name: "hard link, then a file of the same name", CVE: "CVE-2018-20834, CVE-2016-5418",
			What:    "a hard link to the host's file is written through (node-tar; libarchive by giving the link content)",
			Verdict: Refused, Says: "occurs twice",
			write: one(func(t *tarball, out string) { t.hard("h", out+"/secret").file("h", Payload) }),
		},
		{
			Name: "hard link with content", CVE: "CVE-2016-5418",
			What:    "a hard link whose header promises a payload: writing it would write the target",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.file("f", "first\n").add(head{kind: hardlink, name: "h", link: "f", body: Payload})
			}),
		},
		{
			Name: "hard link to a symlink, with a mode", CVE: "CVE-2021-32760",
			What:    "containerd gave the mode to what the symlink points to, a file of the host",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.link("s", out+"/secret").add(head{kind: hardlink, name: "h", link: "s", mode: 0o777})
			}),
		},
		{
			Name: "hard link to itself", CVE: "",
			What:    "the target is the entry's own name",
			Verdict: Refused, Says: "hard link to",
			write: one(func(t *tarball, out string) { t.hard("h", "h") }),
		},
		{
			Name: "hard links in a circle", CVE: "",
			What:    "each is the other's target",
			Verdict: Refused, Says: "hard link to what does not exist",
			write: one(func(t *tarball, out string) { t.hard("a", "b").hard("b", "a") }),
		},
		{
			Name: "hard link to a file, then over it", CVE: "CVE-2018-20834",
			What:    "a file of a lower layer gets a second name, and the layer writes to that name: the first must stay as it was",
			Verdict: Refused, Says: "occurs twice",
			write: stack(
				func(t *tarball, out string) { t.file("a", "lower\n") },
				func(t *tarball, out string) { t.hard("b", "a").file("b", Payload) }),
		},
		{
			Name: "hard link to a directory", CVE: "",
			What:    "directories have one name",
			Verdict: Refused, Says: "is a directory",
			write: one(func(t *tarball, out string) { t.dir("d/").hard("h", "d") }),
		},
		{
			Name: "symlinks where the host reads accounts", CVE: "CVE-2024-9676",
			What:    "etc/passwd and etc/group are symlinks to a named pipe of the host, which was opened and waited for (containers/storage)",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.dir("etc/").link("etc/passwd", out+"/pipe").link("etc/group", out+"/pipe")
			}),
		},
		{
			Name: "symlinks where a runtime mounts", CVE: "CVE-2019-19921, CVE-2021-30465, CVE-2025-31133, CVE-2025-52565, CVE-2026-41579",
			What:    "dev, proc, dev/null and dev/console are symlinks to the host's files (runc)",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.link("proc", out).link("sys", climb(out)).link("dev", out+"/dir").link("run", "/")
			}),
		},
		{
			Name: "symlink with attributes and times", CVE: "CVE-2021-23177, CVE-2021-31566",
			What:    "libarchive set an access list, mode and times of what a symlink points to",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.add(head{kind: symlink, name: "s", link: out + "/secret", mode: 0o7777, uid: 12, gid: 13, mtime: 1})
			}),
		},
	}
}
