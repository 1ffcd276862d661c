package host_test

import (
	"syscall"

	"github.com/bulkhead/bulkhead/graphdriver"
)

func escapeCases() []hostileCase {
	var out []hostileCase
	for _, target := range []string{"rel", "abs", "proc-root", "proc-cwd"} {
		for _, use := range []string{"read", "write", "list", "mkdir", "remove"} {
			out = append(out, hostileCase{"link-" + target + "-" + use, "create", "a link leads nowhere outside", denied, ""})
		}
	}
	for _, name := range []string{"chmod", "mkdir", "lchown", "lutimes", "mknod", "remove", "copy-from", "copy-to", "usage", "base", "link", "rename-out", "xattr"} {
		out = append(out, hostileCase{"import-" + name, "create", "no import follows a link", denied, ""})
	}
	for _, path := range []string{"dotdot", "abs", "dot", "slash", "empty", "inner", "nul", "long"} {
		out = append(out,
			hostileCase{"base-" + path, "create", "a path that is not clean is no path", invalid, ""},
			hostileCase{"mkdir-" + path, "create", "a path that is not clean is no path", invalid, ""})
	}
	for _, path := range []string{"dotdot", "inner-dotdot", "nul", "long", "bad-fd"} {
		out = append(out, hostileCase{"raw-" + path, "create", "WASI opens no such path", denied, ""})
	}
	return append(out, []hostileCase{
		{"link-proc-fd", "create", "magic links are not followed", denied, ""},
		{"link-last-write", "create", "a last link is not written through", denied, ""},
		{"link-chain", "create", "a chain of links leads nowhere outside", denied, ""},
		{"two-calls-make", "create", "a link may lie anywhere", nil, ""},
		{"two-calls-use", "create", "a link of an earlier call is no way out", denied, ""},
		{"two-calls-base", "apply_diff", "nor a base", denied, ""},
		{"import-chmod-link", "create", "a link has no mode", graphdriver.ErrNotSupported, ""},
		{"rename-out", "create", "nothing is moved out", notFound, ""},
		{"tmp-link", "create", "scratch is a wall of its own", denied, ""},
		{"fifo-open", "create", "nothing but files and directories is opened", denied, ""},
		{"forged-base", "create", "a handle that was not given out is none", invalid, "not given out"},
		{"keep-base", "create", "handles are given out", nil, ""},
		{"stale-base", "create", "a handle ends with its call", invalid, "not given out"},
		{"keep-file", "create", "files are opened", nil, ""},
		{"stale-file", "create", "a file ends with its call", invalid, ""},
	}...)
}

func sealCases() []hostileCase {
	var out []hostileCase
	wasi := []string{
		"open-write", "open-append", "open-trunc", "create", "create-deep", "truncate", "mkdir", "unlink", "rmdir", "rename-away",
		"rename-base", "rename-above", "rename-over", "link-from", "link-into", "symlink-into", "utimes", "by-symlink", "twin-utimes", "twin-write", "twin-trunc",
	}
	imports := []string{
		"make-dir", "chmod", "chmod-base", "lchown", "lutimes", "mknod", "link-out", "link-in", "rename-import", "rename-base-import",
		"rename-above-import", "rename-over-import", "xattr-set", "xattr-remove", "tree-remove", "tree-remove-base", "tree-remove-above",
		"tree-copy-into", "by-base", "by-base-itself", "twin-chmod", "twin-lchown", "twin-lutimes", "twin-xattr",
	}
	for _, via := range []string{"create", "create_read_write", "remove", "cleanup", "apply_diff", "get", "put"} {
		for _, name := range append(wasi, imports...) {
			attack := "sealed-" + name
			out = append(out, hostileCase{attack, via, "a committed layer is not changed by another's call", denied, ""})
		}
	}
	for _, via := range []string{"exists", "status", "get_metadata", "diff", "changes", "diff_size", "diff_getter"} {
		for _, name := range []string{"readonly-wasi", "readonly-import", "readonly-remove"} {
			out = append(out, hostileCase{name, via, "what only reads does not write", denied, ""})
		}
	}
	return append(out, []hostileCase{
		{"sealed-read-then-truncate", "create", "a file opened to be read is not cut", invalid, ""},
		{"sealed-read-then-write", "create", "nor written", invalid, ""},
		{"moved-base", "create", "a moved base is not written by", denied, "was moved"},
		{"setid-mknod", "create", "set-id bits take a grant when a node is made", denied, `grant "setid"`},
		{"setid-mkdir", "create", "and a directory", denied, `grant "setid"`},
		{"setid-chmod", "create", "and a mode changed", denied, `grant "setid"`},
		{"device", "create", "a device takes a grant", denied, `grant "mknod.device"`},
		{"whiteout", "create", "what is granted is possible", nil, ""},
		{"xattr-security", "create", "an attribute takes the grant of its prefix", denied, `grant "xattr.security"`},
		{"xattr-bare", "create", "also without a dot", denied, `grant "xattr.nodots"`},
	}...)
}

func protocolCases() []hostileCase {
	return []hostileCase{
		{"pointer-args", "create", "a pointer beyond the memory is Invalid", invalid, ""},
		{"pointer-result", "create", "a pointer beyond the memory is Invalid", invalid, ""},
		{"pointer-path", "create", "a pointer beyond the memory is Invalid", invalid, ""},
		{"pointer-wraps", "create", "a length that wraps is Invalid", invalid, ""},
		{"pointer-out", "create", "what is written to is checked too", invalid, ""},
		{"no-result", "exists", "a result that is missing", invalid, ""},
		{"no-result", "get", "a result that is missing", invalid, ""},
		{"no-result", "diff_size", "a result that is missing", invalid, ""},
		{"no-result", "diff_getter", "a result that is missing", invalid, ""},
		{"two-results", "exists", "a result is given once", invalid, "a second result"},
		{"two-results-hidden", "exists", "and what was refused is not forgotten", invalid, "a second result"},
		{"two-fields", "exists", "one field where there is one", invalid, ""},
		{"wrong-tag", "exists", "another method's field", invalid, "field 32"},
		{"wrong-tag", "create", "a field where there is none", invalid, "field 32"},
		{"wrong-tag", "get", "another method's field", invalid, "field 32"},
		{"malformed", "exists", "what is no record", invalid, "malformed"},
		{"malformed", "put", "what is no record", invalid, "malformed"},
		{"short-field", "exists", "a value that is too short", invalid, ""},
		{"large-result", "exists", "a result larger than a record", invalid, ""},
		{"positive", "create", "a positive return is reserved", invalid, "7"},
		{"positive", "apply_diff", "a positive return is reserved", invalid, "7"},
		{"unknown-code", "create", "a code outside the list", invalid, "-77"},
		{"unknown-code", "diff", "a code outside the list", invalid, "-77"},
		{"naive-create", "create", "a code is passed on", graphdriver.ErrUseNaive, ""},
		{"lock-order", "create", "locks are taken in order", invalid, `lock "a"`},
		{"lock-twice", "create", "each once", invalid, `lock "b"`},
		{"lock-mode", "create", "there are two modes", invalid, ""},
		{"lock-name", "create", "a name is at most 255 bytes", invalid, ""},
		{"lock-late", "apply_diff", "locks come before entries", invalid, `lock "b"`},
		{"entries-elsewhere", "create", "entries are of apply_diff", invalid, "entries in create"},
		{"entries-elsewhere", "diff", "entries are of apply_diff", invalid, "entries in diff"},
		{"emit-elsewhere", "create", "changes are of changes", invalid, "output in create"},
		{"emit-elsewhere", "apply_diff", "changes are of changes", invalid, "output in apply_diff"},
	}
}

func streamCases() []hostileCase {
	apply := func(name, claim string, want error, says string) hostileCase {
		return hostileCase{"apply-" + name, "apply_diff", claim, want, says}
	}
	diff := func(name, claim string, want error, says string) hostileCase {
		return hostileCase{name, "diff", claim, want, says}
	}
	changes := func(name, claim string, want error, says string) hostileCase {
		return hostileCase{"change-" + name, "changes", claim, want, says}
	}
	return []hostileCase{
		apply("undecided", "entries are decided before the next batch", invalid, "undecided"),
		apply("undecided-return", "and before the end", invalid, "before the end"),
		apply("early", "an archive is taken to its end", invalid, "before the end"),
		apply("twice", "an entry is decided once", invalid, "decided twice"),
		apply("beyond", "an entry beyond the batch", invalid, "not in the batch"),
		apply("index-wraps", "an index that wraps", invalid, "not in the batch"),
		apply("count-none", "no entry at all", invalid, "not in the batch"),
		apply("unknown", "a decision that is none", invalid, "unknown action"),
		apply("path-of-many", "a path for more than one", invalid, "batch"),
		apply("path-out", "a path that leads out", invalid, "canary"),
		apply("skip-payload", "content that would not be found again", invalid, "skipped"),
		apply("other-path", "content stored elsewhere", invalid, "elsewhere"),
		apply("two-bases", "content in two places", invalid, "two bases"),
		apply("sealed", "a committed base", denied, "layer sealed, which is committed"),
		apply("above-sealed", "a base above a committed one", denied, "holds committed layers"),
		apply("home", "the home as a base", denied, "holds committed layers"),
		apply("forged", "a base that was not given out", invalid, "not given out"),
		apply("naive-late", "use naive after the first entry", invalid, "after it had begun"),
		apply("unsupported-late", "not supported after the first entry", invalid, "after it had begun"),
		apply("read-and-apply", "what was read can only be skipped", invalid, "was read"),
		apply("read-unknown", "an entry that is not there", invalid, "not in the batch"),
		apply("stream-too", "entries, then bytes", invalid, "stream_read after entries"),
		apply("stream-first", "bytes, then entries", invalid, "entries after stream_read"),
		apply("garbage", "what is no record", invalid, "malformed"),
		apply("hidden", "a failed decision that is not passed on", invalid, "unknown action"),
		apply("moved", "a base that was moved between decisions", denied, "was moved"),
		apply("stop", "a driver that gives up says why", syscall.EIO, "enough"),
		apply("peer", "another layer's directory", corrupt, "layer peer"),

		diff("emit-dotdot", "a file outside", invalid, "canary"),
		diff("emit-name-dotdot", "a name that leads out", invalid, "../x"),
		diff("emit-name-absolute", "a name that is absolute", invalid, "/x"),
		diff("emit-through-link", "a file through a link", denied, "out/secret"),
		diff("emit-missing", "a file that is not there", notFound, "nothing"),
		diff("emit-forged", "a base that was not given out", invalid, "not given out"),
		diff("emit-unknown", "an emit that is none", invalid, "unknown emit"),
		diff("emit-whiteout-root", "the root's deletion", invalid, "whiteout of the root"),
		diff("emit-own-not-last", "own content amid a batch", invalid, "not the last"),
		diff("emit-own-of-dir", "own content of a directory", invalid, "l/peer"),
		diff("emit-own-missing", "own content that does not come", corrupt, "bytes of content are missing"),
		diff("emit-own-too-much", "own content beyond the size", corrupt, "beyond the size"),
		diff("emit-content-alone", "content of no entry", invalid, "without an entry"),
		diff("emit-garbage", "what is no record", invalid, "malformed"),
		diff("emit-then-stream", "entries, then bytes", invalid, "stream_write after diff_emit"),
		diff("stream-then-emit", "bytes, then entries", invalid, "diff_emit after stream_write"),
		diff("emit-then-naive", "use naive after output began", invalid, "after it had begun"),
		diff("emit-then-stop", "an error after output began is never its end", syscall.EIO, "enough"),
		diff("emit-then-panic", "a panic after output began is never its end", syscall.EIO, "amid output"),
		diff("emit-flood", "names beyond the limit of output", limit, "limits.output"),

		changes("dotdot", "a path that leads out", invalid, "../etc"),
		changes("inner-dotdot", "a path that leads out", invalid, "a/../"),
		changes("absolute", "a path that is absolute", invalid, "/etc"),
		changes("root", "the root itself", invalid, ""),
		changes("nul", "a path with NUL", invalid, ""),
		changes("kind", "a change that is none", invalid, "record of kind"),
		changes("garbage", "what is no record", invalid, "malformed"),
		changes("flood", "changes beyond the limit of output", limit, "limits.output"),
	}
}

func lieCases() []hostileCase {
	var out []hostileCase
	for _, via := range []string{"get", "diff_getter"} {
		lie := func(name, claim string, want error, says string) {
			out = append(out, hostileCase{"lie-" + name, via, claim, want, says})
		}
		lie("sealed", "a committed layer's directory is not another's", corrupt, "layer sealed")
		lie("above", "nor one above it", corrupt, "l")
		lie("beneath", "nor one beneath it", corrupt, "layer sealed")
		lie("peer", "nor where another layer was stored", corrupt, "layer peer")
		lie("link", "nor a link within it", corrupt, "layer peer")
		lie("symlink", "a link is no directory", invalid, "two-calls-make")
		lie("home", "the home is no layer's", invalid, "")
		lie("empty", "nor is no path at all", invalid, "")
		lie("outside", "nor anything outside", invalid, "../canary")
		lie("absolute", "nor an absolute path", invalid, "/l/peer")
		lie("missing", "nor what is not there", notFound, "l/nothing")
	}
	return append(out, []hostileCase{
		{"lie-kind", "get", "a kind of spec that is not known", graphdriver.ErrNotSupported, "kind 99"},
		{"lie-spec", "get", "a spec that is too short", invalid, ""},
		{"lie-exists", "exists", "neither yes nor no", invalid, "neither"},
		{"lie-size", "diff_size", "a negative size", invalid, "size"},
		{"lie-status", "status", "a pair without a separator", invalid, "pair"},
		{"lie-text", "get_metadata", "a pair that is no text", invalid, "pair"},
		{"lie-other", "create", "an honest beginning", nil, ""},
		{"lie-other", "apply_diff", "an honest layer", nil, ""},
		{"lie-other", "get", "another place than its entries went to", corrupt, "was stored at"},
		{"lie-other", "diff_getter", "another place than its entries went to", corrupt, "was stored at"},
	}...)
}
