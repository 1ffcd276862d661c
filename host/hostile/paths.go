package hostile

func paths() []Case {
	var out []Case
	for _, target := range []string{"rel", "abs", "proc-root", "proc-cwd", "neighbour"} {
		for _, use := range []string{"read", "write", "list", "mkdir", "remove", "link", "link-out", "rename", "symlink", "times", "cut"} {
			out = append(out, create("link-"+target+"-"+use, "a link leads nowhere outside", Denied, ""))
		}
	}
	for _, name := range []string{"chmod", "mkdir", "lchown", "lutimes", "mknod", "remove", "copy-from", "copy-to", "usage", "base", "link", "rename-out", "xattr"} {
		out = append(out, create("import-"+name, "no import follows a link", Denied, ""))
	}
	for _, path := range []string{"dotdot", "abs", "dot", "slash", "empty", "inner", "nul", "long"} {
		out = append(out,
			create("base-"+path, "a path that is not clean is no path", Invalid, ""),
			create("mkdir-"+path, "a path that is not clean is no path", Invalid, ""))
	}
	for _, path := range []string{"dotdot", "inner-dotdot", "nul", "long", "bad-fd"} {
		out = append(out, create("raw-"+path, "WASI opens no such path", Denied, ""))
	}
	return append(out,
		create("link-proc-fd", "magic links are not followed", Denied, ""),
		create("link-last-write", "a last link is not written through", Denied, ""),
		create("link-chain", "a chain of links leads nowhere outside", Denied, ""),
		create("two-calls-make", "a link may lie anywhere", Harmless, ""),
		create("two-calls-use", "a link of an earlier call is no way out", Denied, ""),
		Case{"two-calls-base", []string{"apply_diff"}, "nor a base", Denied, ""},
		create("import-chmod-link", "a link has no mode", NotSupported, ""),
		create("rename-out", "nothing is moved out", NotFound, ""),
		create("tmp-link", "scratch is a wall of its own", Denied, ""),
		create("fifo-open", "nothing but files and directories is opened", Denied, ""),
		create("forged-base", "a handle that was not given out is none", Invalid, "not given out"),
		create("keep-base", "handles are given out", Harmless, ""),
		create("stale-base", "a handle ends with its call", Invalid, "not given out"),
		create("keep-file", "files are opened", Harmless, ""),
		create("stale-file", "a file ends with its call", Invalid, ""),
	)
}
