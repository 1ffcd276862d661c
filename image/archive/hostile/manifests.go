package hostile

import (
	"io"
	"strings"
)

// docker is a docker-save archive of a harmless image, spoilt.
func docker(spoil func(s *saved, out string)) func(io.Writer, string) error {
	return func(w io.Writer, out string) error {
		s := save()
		spoil(&s, out)
		return s.write(w)
	}
}

// listed changes the only item of manifest.json.
func listed(change func(it *item, out string)) func(io.Writer, string) error {
	return docker(func(s *saved, out string) {
		it := s.item()
		change(&it, out)
		s.manifest = []item{it}
	})
}

func manifests() []Case {
	tag := func(tags ...string) func(io.Writer, string) error {
		return listed(func(it *item, out string) { it.RepoTags = tags })
	}
	// instead puts an entry in a file's place.
	instead := func(name func(s *saved) string, put func(t *tarball, name, out string)) func(io.Writer, string) error {
		return docker(func(s *saved, out string) {
			n := name(s)
			s.leave = map[string]bool{n: true}
			s.extra = func(t *tarball) { put(t, n, out) }
		})
	}
	manifest := func(*saved) string { return "manifest.json" }
	config := func(s *saved) string { return s.configName() }
	first := func(*saved) string { return layerName(0) }
	return []Case{
		{
			Name: "configuration outside the archive", CVE: "CVE-2014-9358, CVE-2026-63343",
			What:    "Config is ../../…/secret (Docker's image IDs; Incus' metadata)",
			Verdict: Refused, Says: "name with ..",
			write: listed(func(it *item, out string) { it.Config = climb(out) + "/secret" }),
		},
		{
			Name: "configuration by an absolute path", CVE: "CVE-2014-9358",
			What:    "Config is /…/secret",
			Verdict: Refused, Says: "not a relative name",
			write: listed(func(it *item, out string) { it.Config = out + "/secret" }),
		},
		{
			Name: "layer outside the archive", CVE: "CVE-2014-9358",
			What:    "Layers names ../../…/secret",
			Verdict: Refused, Says: "name with ..",
			write: listed(func(it *item, out string) { it.Layers[0] = climb(out) + "/secret" }),
		},
		{
			Name: "layer by an absolute path", CVE: "CVE-2014-9358",
			What:    "Layers names /…/pipe, which nobody writes to",
			Verdict: Refused, Says: "not a relative name",
			write: listed(func(it *item, out string) { it.Layers[0] = out + "/pipe" }),
		},
		{
			Name: "configuration is a symlink out", CVE: "CVE-2026-63343",
			What:    "the file named is a symlink in the archive (Incus)",
			Verdict: Refused, Says: "not a regular file",
			write: instead(config, func(t *tarball, name, out string) { t.link(name, out+"/secret") }),
		},
		{
			Name: "layer is a symlink out", CVE: "CVE-2026-63343",
			What:    "layers may be links, within the archive",
			Verdict: Refused, Says: "link out of the archive",
			write: instead(first, func(t *tarball, name, out string) { t.link(name, climb(out)+"/secret") }),
		},
		{
			Name: "layer is an absolute symlink", CVE: "CVE-2026-63343",
			What:    "the same from the root",
			Verdict: Refused, Says: "link out of the archive",
			write: instead(first, func(t *tarball, name, out string) { t.link(name, out+"/secret") }),
		},
		{
			Name: "layer is a hard link out", CVE: "CVE-2026-63343",
			What:    "the same by a hard link",
			Verdict: Refused, Says: "link out of the archive",
			write: instead(first, func(t *tarball, name, out string) { t.hard(name, climb(out)+"/secret") }),
		},
		{
			Name: "layer is a symlink to itself", CVE: "",
			What:    "a walk that never ends",
			Verdict: Refused, Says: "too many links",
			write: instead(first, func(t *tarball, name, out string) { t.link(name, "layer.tar") }),
		},
		{
			Name: "manifest is a fifo", CVE: "CVE-2024-9676",
			What:    "whoever opens it waits for ever",
			Verdict: Refused, Says: "not a regular file",
			write: instead(manifest, func(t *tarball, name, out string) { t.add(head{kind: fifo, name: name}) }),
		},
		{
			Name: "layer is a device", CVE: "",
			What:    "the first disk",
			Verdict: Refused, Says: "not a regular file",
			write: instead(first, func(t *tarball, name, out string) { t.add(head{kind: block, name: name, major: 8}) }),
		},
		{
			Name: "manifest twice", CVE: "",
			What:    "one for who checks, one for who loads",
			Verdict: Refused, Says: "twice",
			write: docker(func(s *saved, out string) {
				s.extra = func(t *tarball) { t.file("./manifest.json", "[]") }
			}),
		},
		{
			Name: "archive with a name that climbs", CVE: "CVE-2014-9358, CVE-2007-4559",
			What:    "a file that nobody asks for, outside",
			Verdict: Refused, Says: "name with ..",
			write: docker(func(s *saved, out string) {
				s.extra = func(t *tarball) { t.file(climb(out)+"/pwned", Payload) }
			}),
		},
		{
			Name: "one layer too few", CVE: "",
			What:    "the configuration counts one more",
			Verdict: Refused, Says: "layers in the manifest",
			write: listed(func(it *item, out string) { it.Layers = nil }),
		},
		{
			Name: "one layer too many", CVE: "",
			What:    "the configuration counts one less",
			Verdict: Refused, Says: "layers in the manifest",
			write: listed(func(it *item, out string) { it.Layers = append(it.Layers, it.Layers[0]) }),
		},
		{
			Name: "layer of another diff ID", CVE: "",
			What:    "the layer is not the one that the configuration was made for",
			Verdict: Refused, Says: "does not match",
			write: docker(func(s *saved, out string) {
				s.layers = []layer{plain((&tarball{}).file("etc/hostname", "another\n").end())}
			}),
		},
		{
			Name: "configuration that belies its blob name", CVE: "",
			What:    "blobs/sha256/… is a promise",
			Verdict: Refused, Says: "does not match",
			write: docker(func(s *saved, out string) {
				name := "blobs/sha256/" + strings.Repeat("0", 64)
				it := s.item()
				it.Config = name
				s.manifest = []item{it}
				s.extra = func(t *tarball) { t.file(name, string(s.config)) }
			}),
		},
		{
			Name: "keys twice", CVE: "",
			What:    "two Layers in one object: one for who checks, one for who loads; the last counts for all here",
			Verdict: Refused, Says: "name with ..",
			write: docker(func(s *saved, out string) {
				text := string(asJSON([]item{s.item()}))
				s.manifest = []byte(strings.Replace(text, `"Layers"`, `"layers":["../x"],"LAYERS":["../../secret"],"Layers":["../y"],"Ignored"`, 1))
			}),
		},
		{
			Name: "manifest that is an object", CVE: "",
			What:    "where a list is meant",
			Verdict: Refused, Says: "manifest.json",
			write: docker(func(s *saved, out string) { s.manifest = s.item() }),
		},
		{
			Name: "manifest of brackets", CVE: "",
			What:    "a million lists in lists",
			Verdict: Refused, Says: "manifest.json",
			write: docker(func(s *saved, out string) { s.manifest = []byte(strings.Repeat("[", 1<<20)) }),
		},
		{
			Name: "manifest with no image", CVE: "",
			What:    "an empty list",
			Verdict: Refused, Says: "no image",
			write: docker(func(s *saved, out string) { s.manifest = []item{} }),
		},
		{
			Name: "name with a path", CVE: "CVE-2014-9358",
			What:    "RepoTags is ../../…:latest, where names become files",
			Verdict: Refused, Says: "invalid reference",
			write: tag("../../../../etc/passwd:latest"),
		},
		{
			Name: "name with an absolute path", CVE: "CVE-2014-9358",
			What:    "/etc/passwd:latest",
			Verdict: Refused, Says: "invalid reference",
			write: tag("/etc/passwd:latest"),
		},
		{
			Name: "name with a newline", CVE: "",
			What:    "a list that shows a line more",
			Verdict: Refused, Says: "invalid reference",
			write: tag("a:1\nLoaded image: trusted:1"),
		},
		{
			Name: "name that is an image ID", CVE: "CVE-2014-9358",
			What:    "64 hex digits shadow the image of that ID",
			Verdict: Refused, Says: "64-byte hexadecimal",
			write: tag(strings.Repeat("ab", 32)),
		},
		{
			Name: "name by digest", CVE: "",
			What:    "an archive that says what a registry alone can",
			Verdict: Refused, Says: "from a digest",
			write: tag("a@sha256:" + strings.Repeat("0", 64)),
		},
		{
			Name: "name of 64 KiB", CVE: "",
			What:    "longer than any reference",
			Verdict: Refused, Says: "more than 255",
			write: tag(strings.Repeat("a", 64<<10) + ":1"),
		},
		{
			Name: "parent that is no ID", CVE: "CVE-2014-9358",
			What:    "Parent is a path beneath the image database",
			Verdict: Stored,
			write: docker(func(s *saved, out string) {
				s.manifest = []m{{"Config": s.configName(), "RepoTags": s.tags, "Layers": s.item().Layers, "Parent": "sha256:../../../../secret"}}
			}),
		},
		{
			Name: "parent that is the image itself", CVE: "",
			What:    "a history that never ends",
			Verdict: Stored,
			write: docker(func(s *saved, out string) {
				s.manifest = []m{{"Config": s.configName(), "RepoTags": s.tags, "Layers": s.item().Layers, "Parent": sum(s.config)}}
			}),
		},
		{
			Name: "archive cut off", CVE: "",
			What:    "the last half of the configuration is missing",
			Verdict: Refused, Says: "not a whole tar",
			write: func(w io.Writer, out string) error {
				var whole tarball
				s := save()
				if err := s.write(&whole); err != nil {
					return err
				}
				_, err := w.Write(whole.Bytes()[:len(s.layers[0].blob)+512+512+100])
				return err
			},
		},
		{
			Name: "only the layout of before 1.10", CVE: "CVE-2014-9358",
			What:    "directories named by image IDs, which were paths",
			Verdict: Refused, Says: "before version 1.10",
			write: docker(func(s *saved, out string) {
				s.leave = map[string]bool{"manifest.json": true}
				s.extra = func(t *tarball) { t.file("repositories", `{"a":{"1":"../../../../etc"}}`) }
			}),
		},
	}
}
