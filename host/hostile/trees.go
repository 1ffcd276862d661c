package hostile

func trees() []Case {
	at := func(via, attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{via}, claim, v, says}
	}
	out := []Case{
		create("home-wasi-rmdir", "the home stays", Refused, ""),
		create("home-wasi-rename", "where it is", Refused, ""),
		create("home-wasi-replace", "and what it is", Refused, ""),
		create("home-base-remove", "by a handle, too", Refused, ""),
		create("deep", "directories are put into each other 3,000 deep", Harmless, ""),
		at("exists", "deep-usage", "which can be counted, or not", Invalid, "a"),
		create("deep-copy", "or copied, or not", Invalid, "too long"),
		at("diff", "deep-emit", "or emitted, as far as output goes", Limit, "limits.output"),
		at("exists", "deep-walk", "no more of them are held open than may be", Limit, "limits.open-files"),
		create("deep-remove", "and all of it is removed", Harmless, ""),
		create("path-4095", "the longest path is a path", NotFound, ""),
		create("name-256", "a name has at most 255 bytes", Invalid, "too long"),
		at("diff", "tree-of-file", "a tree is a directory", Invalid, ""),
		at("diff", "tree-of-link", "not a link to one", Denied, ""),
		at("diff", "tree-own-content", "it has no content of its own", Invalid, ""),
		at("diff", "tree-layer-of-none", "the top of a stack is of a stack", Invalid, "no stack"),
		at("diff", "tree-dotdot", "a tree outside is none", Invalid, "canary"),
		at("diff", "tree-name-dotdot", "nor is one called so", Invalid, "../x"),
		at("diff", "tree-forged", "nor one beneath what was not given out", Invalid, "not given out"),
		at("diff", "tree-flood", "trees are counted by their names", Limit, "limits.output"),
	}
	for _, use := range []string{"remove", "rename", "replace", "mknod", "link", "chmod", "lchown", "copy"} {
		for _, as := range []string{"", "-dot"} {
			out = append(out, create("home-"+use+as, "the home itself is not the driver's to change", Refused, ""))
		}
	}
	for _, name := range []string{"whiteout", "opaque", "aufs"} {
		out = append(out,
			at("diff", "emit-name-"+name, "a name that deletes does no more than a deletion would", Harmless, ""),
			at("changes", "change-name-"+name, "and is told as it is", Harmless, ""))
	}
	return out
}
