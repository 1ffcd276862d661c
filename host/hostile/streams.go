package hostile

func streams() []Case {
	apply := func(name, claim string, v Verdict, says string) Case {
		return Case{"apply-" + name, []string{"apply_diff"}, claim, v, says}
	}
	diff := func(name, claim string, v Verdict, says string) Case {
		return Case{name, []string{"diff"}, claim, v, says}
	}
	changes := func(name, claim string, v Verdict, says string) Case {
		return Case{"change-" + name, []string{"changes"}, claim, v, says}
	}
	return []Case{
		apply("undecided", "entries are decided before the next batch", Invalid, "undecided"),
		apply("undecided-return", "and before the end", Invalid, "before the end"),
		apply("early", "an archive is taken to its end", Invalid, "before the end"),
		apply("twice", "an entry is decided once", Invalid, "decided twice"),
		apply("beyond", "an entry beyond the batch", Invalid, "not in the batch"),
		apply("index-wraps", "an index that wraps", Invalid, "not in the batch"),
		apply("count-none", "no entry at all", Invalid, "not in the batch"),
		apply("unknown", "a decision that is none", Invalid, "unknown action"),
		apply("path-of-many", "a path for more than one", Invalid, "batch"),
		apply("path-out", "a path that leads out", Invalid, "canary"),
		apply("skip-payload", "content that would not be found again", Invalid, "skipped"),
		apply("other-path", "content stored elsewhere", Invalid, "elsewhere"),
		apply("two-bases", "content in two places", Invalid, "two bases"),
		apply("sealed", "a committed base", Denied, "layer sealed, which is committed"),
		apply("above-sealed", "a base above a committed one", Denied, "holds committed layers"),
		apply("home", "the home as a base", Denied, "holds committed layers"),
		apply("forged", "a base that was not given out", Invalid, "not given out"),
		apply("naive-late", "use naive after the first entry", Invalid, "after it had begun"),
		apply("unsupported-late", "not supported after the first entry", Invalid, "after it had begun"),
		apply("read-and-apply", "what was read can only be skipped", Invalid, "was read"),
		apply("read-unknown", "an entry that is not there", Invalid, "not in the batch"),
		apply("stream-too", "entries, then bytes", Invalid, "stream_read after entries"),
		apply("stream-first", "bytes, then entries", Invalid, "entries after stream_read"),
		apply("garbage", "what is no record", Invalid, "malformed"),
		apply("hidden", "a failed decision that is not passed on", Invalid, "unknown action"),
		apply("moved", "a base that was moved between decisions", Denied, "was moved"),
		apply("stop", "a driver that gives up says why", Failed, "enough"),
		apply("peer", "another layer's directory", Corrupt, "layer peer"),

		diff("emit-dotdot", "a file outside", Invalid, "canary"),
		diff("emit-name-dotdot", "a name that leads out", Invalid, "../x"),
		diff("emit-name-absolute", "a name that is absolute", Invalid, "/x"),
		diff("emit-through-link", "a file through a link", Denied, "out/secret"),
		diff("emit-missing", "a file that is not there", NotFound, "nothing"),
		diff("emit-forged", "a base that was not given out", Invalid, "not given out"),
		diff("emit-unknown", "an emit that is none", Invalid, "unknown emit"),
		diff("emit-whiteout-root", "the root's deletion", Invalid, "whiteout of the root"),
		diff("emit-own-not-last", "own content amid a batch", Invalid, "not the last"),
		diff("emit-own-of-dir", "own content of a directory", Invalid, "l/peer"),
		diff("emit-own-missing", "own content that does not come", Corrupt, "bytes of content are missing"),
		diff("emit-own-too-much", "own content beyond the size", Corrupt, "beyond the size"),
		diff("emit-content-alone", "content of no entry", Invalid, "without an entry"),
		diff("emit-garbage", "what is no record", Invalid, "malformed"),
		diff("emit-then-stream", "entries, then bytes", Invalid, "stream_write after diff_emit"),
		diff("stream-then-emit", "bytes, then entries", Invalid, "diff_emit after stream_write"),
		diff("emit-then-naive", "use naive after output began", Invalid, "after it had begun"),
		diff("emit-then-stop", "an error after output began is never its end", Failed, "enough"),
		diff("emit-then-panic", "a panic after output began is never its end", Failed, "amid output"),
		diff("emit-flood", "names beyond the limit of output", Limit, "limits.output"),

		changes("dotdot", "a path that leads out", Invalid, "../etc"),
		changes("inner-dotdot", "a path that leads out", Invalid, "a/../"),
		changes("absolute", "a path that is absolute", Invalid, "/etc"),
		changes("root", "the root itself", Invalid, ""),
		changes("nul", "a path with NUL", Invalid, ""),
		changes("kind", "a change that is none", Invalid, "record of kind"),
		changes("garbage", "what is no record", Invalid, "malformed"),
		changes("flood", "changes beyond the limit of output", Limit, "limits.output"),
	}
}
