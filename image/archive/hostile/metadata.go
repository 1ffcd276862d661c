package hostile

import "strings"

// withXattr is an archive of one file with one extended attribute.
func withXattr(name, value string) func(*tarball, string) {
	return func(t *tarball, out string) { t.pax("SCHILY.xattr."+name, value).file("f", Payload) }
}

func metadata() []Case {
	device := func(kind byte, major, minor int64) func(*tarball, string) {
		return func(t *tarball, out string) {
			t.add(head{kind: kind, name: "dev", major: major, minor: minor, mode: 0o666})
		}
	}
	return []Case{
		{
			Name: "set-user-id program", CVE: "CVE-2021-41091, CVE-2021-41103",
			What:    "stored as it is, where no other user of the machine reaches it (moby and containerd left the way open)",
			Verdict: Stored, Lands: "su",
			write: one(func(t *tarball, out string) { t.add(head{name: "su", mode: 0o6755, body: Payload}) }),
		},
		{
			Name: "root that anybody may write", CVE: "CVE-2021-41091",
			What:    "the entry . opens the layer's directory to all, set-user-id and sticky too",
			Verdict: Stored,
			write:   one(func(t *tarball, out string) { t.add(head{kind: folder, name: "./", mode: 0o7777}) }),
		},
		{
			Name: "root that nobody may enter", CVE: "",
			What:    "mode 0 on . and on a directory with files",
			Verdict: Stored, Lands: "d/f",
			write: one(func(t *tarball, out string) {
				t.add(head{kind: folder, name: "./", mode: 1 << 20}).add(head{kind: folder, name: "d/", mode: 1 << 20}).file("d/f", Payload)
			}),
		},
		{
			Name: "block device of a disk", CVE: "",
			What:    "made as it is, recorded where it may not be made, and never opened",
			Verdict: Stored,
			write:   one(device(block, 8, 0)),
		},
		{
			Name: "device of the kernel's memory", CVE: "",
			What:    "1:1, 1:2 and 10:1",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				for i, name := range []string{"mem", "kmem", "port"} {
					t.add(head{kind: char, name: name, major: 1, minor: int64(i + 1)})
				}
			}),
		},
		{
			Name: "character device 0:0", CVE: "",
			What:    "overlay's whiteout: it would hide a lower layer's file, and an export would not say so",
			Verdict: Refused, Says: "0:0",
			write: stack(
				func(t *tarball, out string) { t.file("dev", "lower\n") },
				device(char, 0, 0)),
		},
		{
			Name: "device numbers out of range", CVE: "",
			What:    "2^32 in base 256",
			Verdict: Refused, Says: "out of range",
			write: one(device(block, 1<<32, 0)),
		},
		{
			Name: "negative device number", CVE: "",
			What:    "-1 in base 256",
			Verdict: Refused, Says: "out of range",
			write: one(device(char, -1, -1)),
		},
		{
			Name: "fifo", CVE: "CVE-2024-9676",
			What:    "never opened: reading it would wait for ever",
			Verdict: Stored,
			write:   one(func(t *tarball, out string) { t.add(head{kind: fifo, name: "p"}) }),
		},
		{
			Name: "fifo with content", CVE: "",
			What:    "its header promises a payload",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) { t.add(head{kind: fifo, name: "p", body: Payload}) }),
		},
		{
			Name: "type that nobody knows", CVE: "",
			What:    "type Z",
			Verdict: Refused, Says: "unknown entry type",
			write: one(func(t *tarball, out string) { t.add(head{kind: 'Z', name: "z"}) }),
		},
		{
			Name: "owner above 32 bits", CVE: "CVE-2024-40635",
			What:    "4294967296 would become 0, root, where the number is cut off (containerd did so with a user)",
			Verdict: Refused, Says: "out of range",
			write: one(func(t *tarball, out string) { t.add(head{name: "f", uid: 1 << 32, gid: 1 << 32, body: Payload}) }),
		},
		{
			Name: "owner above 32 bits, by PAX", CVE: "CVE-2024-40635",
			What:    "the same in an extended header",
			Verdict: Refused, Says: "out of range",
			write: one(func(t *tarball, out string) { t.pax("uid", "4294967296").file("f", Payload) }),
		},
		{
			Name: "owner -1", CVE: "CVE-2024-40635",
			What:    "4294967295, which chown takes for no change",
			Verdict: Refused, Says: "out of range",
			write: one(func(t *tarball, out string) { t.add(head{name: "f", uid: 1<<32 - 1, body: Payload}) }),
		},
		{
			Name: "owner below zero", CVE: "",
			What:    "-2 in base 256",
			Verdict: Refused, Says: "out of range",
			write: one(func(t *tarball, out string) { t.add(head{name: "f", uid: -2, body: Payload}) }),
		},
		{
			Name: "owner that overflows", CVE: "",
			What:    "2^64 and more, by PAX",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) { t.pax("uid", "18446744073709551616000").file("f", Payload) }),
		},
		{
			Name: "times out of range", CVE: "CVE-2022-48303",
			What:    "far in the future, before the epoch, and as many blanks as fit (GNU tar read beyond them)",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				t.add(head{name: "future", mtime: 1 << 40}).add(head{name: "past", mtime: -1 << 40}).file("f", Payload)
			}),
		},
		{
			Name: "time that overflows", CVE: "CVE-2022-48303",
			What:    "more seconds than 64 bits hold, by PAX",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) { t.pax("mtime", "99999999999999999999.5").file("f", Payload) }),
		},
		{
			Name: "time that is no number", CVE: "CVE-2022-48303",
			What:    "blanks and letters in the field",
			Verdict: Refused, Says: "header",
			write: one(func(t *tarball, out string) {
				t.add(head{name: "f", edit: func(raw []byte) { copy(raw[136:148], "           x") }})
			}),
		},
		{
			Name: "overlay's attributes", CVE: "CVE-2023-2640",
			What:    "trusted.overlay.redirect and metacopy make overlay show other files",
			Verdict: Refused, Says: "belongs to overlay",
			write: one(withXattr("trusted.overlay.redirect", "/../../etc")),
		},
		{
			Name: "overlay's attributes of users", CVE: "CVE-2023-2640",
			What:    "the same as user.overlay.metacopy, for mounts in user namespaces",
			Verdict: Refused, Says: "belongs to overlay",
			write: one(withXattr("user.overlay.metacopy", "y")),
		},
		{
			Name: "overlay's attributes, escaped", CVE: "CVE-2023-2640",
			What:    "trusted.overlay.overlay.opaque is one within another",
			Verdict: Refused, Says: "belongs to overlay",
			write: one(withXattr("trusted.overlay.overlay.opaque", "y")),
		},
		{
			Name: "record of another owner", CVE: "",
			What:    "user.containers.override_stat says that a file is root's and set-user-id, where the host records such",
			Verdict: Refused, Says: "may not come from an archive",
			write: one(withXattr("user.containers.override_stat", "0:0:04755")),
		},
		{
			Name: "record of capabilities", CVE: "",
			What:    "user.containers.override_security.capability",
			Verdict: Refused, Says: "may not come from an archive",
			write: one(withXattr("user.containers.override_security.capability", "x")),
		},
		{
			Name: "capabilities that are none", CVE: "",
			What:    "security.capability with bytes that the kernel refuses",
			Verdict: Refused, Says: "security.capability",
			write: one(withXattr("security.capability", "\xff\xff")),
		},
		{
			Name: "capabilities of all kinds", CVE: "",
			What:    "a program with every capability: stored, never run",
			Verdict: Stored, Lands: "f",
			write: one(withXattr("security.capability", "\x01\x00\x00\x02"+strings.Repeat("\xff\xff\xff\xff\x00\x00\x00\x00", 2))),
		},
		{
			Name: "access list", CVE: "CVE-2021-23177",
			What:    "system.posix_acl_access as an attribute, well formed",
			Verdict: Stored, Lands: "f",
			write: one(func(t *tarball, out string) {
				t.pax("SCHILY.xattr.system.posix_acl_access", acl()).add(head{name: "f", mode: 0o674, body: Payload})
			}),
		},
		{
			Name: "access list that belies the mode", CVE: "CVE-2021-23177",
			What:    "the list gives a group more than the mode shows",
			Verdict: Refused, Says: "other rights than the entry's mode",
			write: one(withXattr("system.posix_acl_access", acl())),
		},
		{
			Name: "access list of a symlink", CVE: "CVE-2021-23177",
			What:    "libarchive gave it to what the symlink points to; a symlink has none",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.pax("SCHILY.xattr.system.posix_acl_access", acl()).link("s", out+"/secret")
			}),
		},
		{
			Name: "access list that is none", CVE: "",
			What:    "system.posix_acl_access with bytes that the kernel refuses",
			Verdict: Refused, Says: "system.posix_acl_access",
			write: one(withXattr("system.posix_acl_access", "nonsense")),
		},
		{
			Name: "attribute of a security module", CVE: "",
			What:    "security.selinux: a label that the host would trust: kept in the record alone",
			Verdict: Stored, Lands: "f",
			write: one(withXattr("security.selinux", "system_u:object_r:shadow_t:s0")),
		},
		{
			Name: "attribute without a namespace", CVE: "",
			What:    "a name that no file on Linux has: kept in the record alone",
			Verdict: Stored,
			write:   one(withXattr("nonsense", "x")),
		},
		{
			Name: "attribute longer than 64 KiB", CVE: "CVE-2023-39804",
			What:    "GNU tar put it on its stack",
			Verdict: Refused, Says: "not one a file system can hold",
			write: one(withXattr("user.big", strings.Repeat("x", 64<<10+1))),
		},
		{
			Name: "attribute with a long name", CVE: "CVE-2023-39804",
			What:    "300 bytes",
			Verdict: Refused, Says: "not one a file system can hold",
			write: one(withXattr("user."+strings.Repeat("n", 300), "x")),
		},
		{
			Name: "attribute with a NUL in its name", CVE: "",
			What:    "user.a, NUL, and what hides behind it",
			Verdict: Refused, Says: "header",
			write: one(withXattr("user.a\x00trusted.overlay.opaque", "y")),
		},
		{
			Name: "attributes of a symlink", CVE: "CVE-2021-23177",
			What:    "they must not go to what it points to",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.pax("SCHILY.xattr.user.evil", "x").link("s", out+"/secret")
			}),
		},
	}
}

// acl is an access list of six entries in the kernel's form.
func acl() string {
	entry := func(tag, perm byte, id string) string { return string([]byte{tag, 0, perm, 0}) + id }
	const none, user = "\xff\xff\xff\xff", "\xe8\x03\x00\x00"
	return "\x02\x00\x00\x00" + entry(1, 6, none) + entry(2, 7, user) + entry(4, 4, none) + entry(16, 7, none) + entry(32, 4, none)
}
