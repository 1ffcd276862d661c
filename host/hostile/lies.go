package hostile

func lies() []Case {
	where := []string{"get", "diff_getter"}
	at := func(via, attack, claim string, v Verdict, says string) Case {
		return Case{attack, []string{via}, claim, v, says}
	}
	return []Case{
		{"lie-sealed", where, "a committed layer's directory is not another's", Corrupt, "layer sealed"},
		{"lie-above", where, "nor one above it", Corrupt, "l"},
		{"lie-beneath", where, "nor one beneath it", Corrupt, "layer sealed"},
		{"lie-peer", where, "nor where another layer was stored", Corrupt, "layer peer"},
		{"lie-link", where, "nor a link within it", Corrupt, "layer peer"},
		{"lie-symlink", where, "a link is no directory", Invalid, "two-calls-make"},
		{"lie-home", where, "the home is no layer's", Invalid, ""},
		{"lie-empty", where, "nor is no path at all", Invalid, ""},
		{"lie-outside", where, "nor anything outside", Invalid, "../canary"},
		{"lie-absolute", where, "nor an absolute path", Invalid, "/l/peer"},
		{"lie-missing", where, "nor what is not there", NotFound, "l/nothing"},
		at("get", "lie-kind", "a kind of spec that is not known", NotSupported, "kind 99"),
		at("get", "lie-spec", "a spec that is too short", Invalid, ""),
		at("exists", "lie-exists", "neither yes nor no", Invalid, "neither"),
		at("diff_size", "lie-size", "a negative size", Invalid, "size"),
		at("status", "lie-status", "a pair without a separator", Invalid, "pair"),
		at("get_metadata", "lie-text", "a pair that is no text", Invalid, "pair"),
		at("diff_size", "lie-size-huge", "a size that nothing has is only a number", Harmless, ""),
		{"lie-megabyte", []string{"get_metadata", "status"}, "a megabyte of metadata", Invalid, "bytes"},
		{"lie-many-pairs", []string{"get_metadata", "status"}, "or of many small ones", Invalid, "bytes"},
		at("exists", "lie-there", "a layer that there is not may be said to be there", Harmless, ""),
		{"lie-there", []string{"get", "diff_getter"}, "and is nowhere", NotFound, ""},
		at("create", "lie-other", "an honest beginning", Harmless, ""),
		at("apply_diff", "lie-other", "an honest layer", Harmless, ""),
		{"lie-other", where, "another place than its entries went to", Corrupt, "was stored at"},
	}
}
