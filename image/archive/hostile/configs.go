package hostile

import (
	"io"
	"strings"
)

// configured is the archive of a harmless image with another configuration.
func configured(edit func(c m, out string)) func(io.Writer, string) error {
	return docker(func(s *saved, out string) { s.config = config(s.layers, func(c m) { edit(c, out) }) })
}

// text is the same with the configuration as text.
func text(edit func(json string) string) func(io.Writer, string) error {
	return docker(func(s *saved, out string) { s.config = []byte(edit(string(s.config))) })
}

func configs() []Case {
	ids := func(ids ...any) func(c m, out string) {
		return func(c m, out string) { c["rootfs"] = m{"type": "layers", "diff_ids": ids} }
	}
	return []Case{
		{
			Name: "system of escapes", CVE: "",
			What:    "os is what a terminal obeys, and is said in the refusal",
			Verdict: Refused, Says: "cannot be used on linux",
			write: configured(func(c m, out string) { c["os"] = "\x1b[2J\nbulkhead: all is well" + strings.Repeat("!", 1<<20) }),
		},
		{
			Name: "time of a megabyte", CVE: "",
			What:    "what cannot be parsed is said in the refusal",
			Verdict: Refused, Says: "parsing time",
			write: configured(func(c m, out string) { c["created"] = strings.Repeat("2", 1<<20) }),
		},
		{
			Name: "diff ID with a path", CVE: "CVE-2024-3727, CVE-2014-9358",
			What:    "diff IDs become directories of the layer database",
			Verdict: Refused, Says: "diff_id",
			write: configured(func(c m, out string) { ids("sha256:"+climb(out))(c, out) }),
		},
		{
			Name: "diff ID of another algorithm", CVE: "CVE-2024-3727",
			What:    "sha512, which the store does not use",
			Verdict: Refused, Says: "diff_id",
			write: configured(ids("sha512:" + strings.Repeat("0", 128))),
		},
		{
			Name: "diff ID in capitals", CVE: "CVE-2024-3727",
			What:    "two names of one digest",
			Verdict: Refused, Says: "diff_id",
			write: configured(func(c m, out string) {
				ids("sha256:"+strings.ToUpper(encoded(harmless().diffID)))(c, out)
			}),
		},
		{
			Name: "diff ID that is no string", CVE: "",
			What:    "a number",
			Verdict: Refused, Says: "cannot unmarshal",
			write: configured(ids(7)),
		},
		{
			Name: "126 layers", CVE: "",
			What:    "one more than can be mounted: refused before the first is read",
			Verdict: Refused, Says: "max depth",
			write: docker(func(s *saved, out string) {
				for range 125 {
					s.layers = append(s.layers, s.layers[0])
				}
				s.config = config(s.layers)
			}),
		},
		{
			Name: "root file system of another kind", CVE: "",
			What:    "rootfs.type is not layers",
			Verdict: Refused, Says: "rootfs type",
			write: configured(func(c m, out string) { c["rootfs"].(m)["type"] = "layers+base" }),
		},
		{
			Name: "more history than layers", CVE: "",
			What:    "two steps that made one layer",
			Verdict: Refused, Says: "history",
			write: configured(func(c m, out string) { c["history"] = []m{{}, {}} }),
		},
		{
			Name: "configuration of brackets", CVE: "",
			What:    "a million lists in lists",
			Verdict: Refused, Says: "values",
			write: text(func(json string) string {
				return strings.Replace(json, `"config":{}`, `"deep":`+strings.Repeat("[", 1<<20)+strings.Repeat("]", 1<<20)+`,"config":{}`, 1)
			}),
		},
		{
			Name: "configuration cut off", CVE: "",
			What:    "half a document",
			Verdict: Refused, Says: "unexpected end",
			write: text(func(json string) string { return json[:len(json)/2] }),
		},
		{
			Name: "configuration with more behind it", CVE: "",
			What:    "two documents",
			Verdict: Refused, Says: "after top-level value",
			write: text(func(json string) string { return json + json }),
		},
		{
			Name: "keys of the configuration twice", CVE: "",
			What:    "two rootfs, one of them with a path",
			Verdict: Refused, Says: "diff_id",
			write: text(func(json string) string {
				return json[:len(json)-1] + `,"rootfs":{"type":"layers","diff_ids":["sha256:../../x"]}}`
			}),
		},
		{
			Name: "user above 32 bits", CVE: "CVE-2024-40635",
			What:    "User is 4294967296, root where it is cut off (containerd): kept as text, and given to nobody",
			Verdict: Stored,
			write:   configured(func(c m, out string) { c["config"] = m{"User": "4294967296:4294967296"} }),
		},
		{
			Name: "volumes with paths of the host", CVE: "CVE-2022-23648",
			What:    "Volumes is /../../…: containerd copied the host's files into it",
			Verdict: Stored,
			write:   configured(func(c m, out string) { c["config"] = m{"Volumes": m{"/" + climb(out): m{}, out: m{}}} }),
		},
		{
			Name: "labels that are commands", CVE: "CVE-2026-53488",
			What:    "containerd's CRI took labels for options that became commands of the host's root",
			Verdict: Stored,
			write: configured(func(c m, out string) {
				c["config"] = m{"Labels": m{"a": "$(touch " + out + "/pwned)", "io.cri-containerd.kind": "sandbox", "b\n": "\x1b[2J"}}
			}),
		},
		{
			Name: "accounts without end", CVE: "CVE-2026-47262",
			What:    "etc/group with lines that never end, which containerd parsed: nobody parses it here",
			Verdict: Stored,
			write: one(func(t *tarball, out string) {
				t.dir("etc/").file("etc/group", "g:x:0:"+strings.Repeat("u,", 1<<20)).file("etc/passwd", strings.Repeat("\x00", 1<<20))
			}),
		},
		{
			Name: "times that are none", CVE: "",
			What:    "created is not a time",
			Verdict: Refused, Says: "cannot parse",
			write: configured(func(c m, out string) { c["created"] = "yesterday" }),
		},
	}
}
