package hostile

func protocol() []Case {
	at := func(via, attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{via}, claim, v, says}
	}
	return []Case{
		create("pointer-args", "a pointer beyond the memory is Invalid", Invalid, ""),
		create("pointer-result", "a pointer beyond the memory is Invalid", Invalid, ""),
		create("pointer-path", "a pointer beyond the memory is Invalid", Invalid, ""),
		create("pointer-wraps", "a length that wraps is Invalid", Invalid, ""),
		create("pointer-out", "what is written to is checked too", Invalid, ""),
		{"no-result", []string{"exists", "get", "diff_size", "diff_getter"}, "a result that is missing", Invalid, ""},
		at("exists", "two-results", "a result is given once", Invalid, "a second result"),
		at("exists", "two-results-hidden", "and what was refused is not forgotten", Invalid, "a second result"),
		at("exists", "two-fields", "one field where there is one", Invalid, ""),
		{"wrong-tag", []string{"exists", "create", "get"}, "another method's field", Invalid, "field 32"},
		{"malformed", []string{"exists", "put"}, "what is no record", Invalid, "malformed"},
		at("exists", "short-field", "a value that is too short", Invalid, ""),
		at("exists", "large-result", "a result larger than a record", Invalid, ""),
		{"positive", []string{"create", "apply_diff"}, "a positive return is reserved", Invalid, "7"},
		{"unknown-code", []string{"create", "diff"}, "a code outside the list", Invalid, "-77"},
		create("naive-create", "a code is passed on", UseNaive, ""),
		create("lock-order", "locks are taken in order", Invalid, `lock "a"`),
		create("lock-twice", "each once", Invalid, `lock "b"`),
		create("lock-mode", "there are two modes", Invalid, ""),
		create("lock-name", "a name is at most 255 bytes", Invalid, ""),
		at("apply_diff", "lock-late", "locks come before entries", Invalid, `lock "b"`),
		{"entries-elsewhere", []string{"create", "diff"}, "entries are of apply_diff", Invalid, "entries in "},
		{"emit-elsewhere", []string{"create", "apply_diff"}, "changes are of changes", Invalid, "output in "},
	}
}
