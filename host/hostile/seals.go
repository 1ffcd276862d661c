package hostile

func seals() []Case {
	wasi := []string{
		"open-write", "open-append", "open-trunc", "create", "create-deep", "truncate", "mkdir", "unlink", "rmdir", "rename-away",
		"rename-base", "rename-above", "rename-over", "link-from", "link-into", "symlink-into", "utimes", "by-symlink", "twin-utimes", "twin-write", "twin-trunc",
	}
	imports := []string{
		"make-dir", "chmod", "chmod-base", "lchown", "lutimes", "mknod", "link-out", "link-in", "rename-import", "rename-base-import",
		"rename-above-import", "rename-over-import", "xattr-set", "xattr-remove", "tree-remove", "tree-remove-base", "tree-remove-above",
		"tree-copy-into", "by-base", "by-base-itself", "twin-chmod", "twin-lchown", "twin-lutimes", "twin-xattr",
	}
	writing := []string{"create", "create_read_write", "remove", "cleanup", "apply_diff", "get", "put", "repair"}
	reading := []string{"exists", "status", "get_metadata", "diff", "changes", "diff_size", "diff_getter"}
	var out []Case
	for _, name := range append(wasi, imports...) {
		out = append(out, Case{"sealed-" + name, writing, "a committed layer is not changed by another's call", Denied, ""})
	}
	for _, name := range []string{"readonly-wasi", "readonly-import", "readonly-remove"} {
		out = append(out, Case{name, reading, "what only reads does not write", Denied, ""})
	}
	return append(out,
		create("sealed-read-then-truncate", "a file opened to be read is not cut", Invalid, ""),
		create("sealed-read-then-write", "nor written", Invalid, ""),
		create("moved-base", "a moved base is not written by", Denied, "was moved"),
		create("setid-mknod", "set-id bits take a grant when a node is made", Denied, `grant "setid"`),
		create("setid-mkdir", "and a directory", Denied, `grant "setid"`),
		create("setid-chmod", "and a mode changed", Denied, `grant "setid"`),
		create("device", "a device takes a grant", Denied, `grant "mknod.device"`),
		create("whiteout", "what is granted is possible", Harmless, ""),
		create("xattr-security", "an attribute takes the grant of its prefix", Denied, `grant "xattr.security"`),
		create("xattr-bare", "also without a dot", Denied, `grant "xattr.nodots"`),
	)
}
