package hostile

func handles() []Case {
	reads := func(attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{"exists"}, claim, v, says}
	}
	out := []Case{
		reads("stack-none", "a stack is of something", Invalid, "0 bytes of handles"),
		reads("stack-many", "of at most 500", Invalid, "a stack of"),
		reads("stack-flags", "with flags that are known", Invalid, "flags"),
		reads("stack-home", "not of the home", Invalid, "home"),
		reads("stack-forged", "not of what was not given out", Invalid, "not given out"),
		reads("stack-of-stacks", "nor of stacks", Invalid, "is a stack"),
		reads("stack-odd", "and of whole handles", Invalid, "a stack of"),
		reads("stack-endless", "stacks count as open files", Limit, "limits.open-files"),
		{"stack-apply-sealed", []string{"apply_diff"}, "nothing is made in a committed layer by way of a stack", Denied, "layer sealed"},
		create("stack-stale", "a stack is given out", Harmless, ""),
		create("stack-stale-again", "and ends with its call", Invalid, "not given out"),
		reads("list-forged", "a listing is of what was given out", Invalid, "not given out"),
		reads("list-dotdot", "and of clean paths", Invalid, "canary"),
		reads("list-absolute", "relative ones", Invalid, "/l"),
		reads("list-flags", "with flags that are known", Invalid, ""),
		reads("list-garbage", "a request is of records", Invalid, "malformed"),
		reads("list-kind", "of its own kinds", Invalid, ""),
		reads("list-tail", "and of whole ones", Invalid, "malformed"),
		reads("list-pair-forged", "so is that of two trees", Invalid, "not given out"),
		reads("list-pair-dotdot", "its paths are clean", Invalid, "canary"),
		reads("equal-garbage", "a comparison is of records", Invalid, "malformed"),
		reads("equal-forged", "of what was given out", Invalid, "not given out"),
		reads("equal-dotdot", "of clean paths", Invalid, "canary"),
		create("equal-outside", "what lies outside is like nothing, not even like itself", Harmless, ""),
		reads("equal-flood", "and bounded", Limit, "request"),
		reads("closed-file", "a file that was closed is closed", Refused, ""),
	}
	for _, use := range []string{"chmod", "mkdir", "remove", "rename", "copy", "usage", "xattr"} {
		out = append(out, create("stack-"+use, "a stack is only looked at, emitted from and applied to", Invalid, "is a stack"))
	}
	return out
}
