package hostile

import (
	"encoding/json"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar"
)

// layout is an OCI layout under construction.
type layout struct {
	blobs map[string][]byte // by path
	index m
	raw   []byte // instead of index, if set
}

// add stores a blob and describes it.
func (l *layout) add(mediaType string, data []byte) m {
	l.blobs[blobPath(sum(data))] = data
	return m{"mediaType": mediaType, "digest": sum(data), "size": len(data)}
}

func blobPath(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func (l *layout) write(w io.Writer) error {
	if l.raw == nil {
		l.raw = asJSON(l.index)
	}
	t := (&tarball{}).file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`).file("index.json", string(l.raw))
	for _, name := range slices.Sorted(maps.Keys(l.blobs)) {
		t.file(name, string(l.blobs[name]))
	}
	_, err := w.Write(t.end())
	return err
}

// oci is a layout of a harmless image. manifest may be changed before it is
// stored, entry before it is listed, and the layout before it is written.
type oci struct {
	manifest func(l *layout, m m, out string)
	entry    func(l *layout, m m, out string)
	layout   func(l *layout, out string)
}

func (o oci) write(w io.Writer, out string) error {
	l := &layout{blobs: map[string][]byte{}}
	lay := harmless()
	manifest := m{
		"schemaVersion": 2, "mediaType": ociManifest,
		"config": l.add(ociConfig, config([]layer{lay})), "layers": []any{l.add(ociLayer, lay.blob)},
	}
	if o.manifest != nil {
		o.manifest(l, manifest, out)
	}
	entry := l.add(ociManifest, asJSON(manifest))
	if o.entry != nil {
		o.entry(l, entry, out)
	}
	l.index = m{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []any{entry}}
	if o.layout != nil {
		o.layout(l, out)
	}
	return l.write(w)
}

// described changes the descriptor of the only layer.
func described(change func(d m, out string)) func(io.Writer, string) error {
	return oci{manifest: func(_ *layout, man m, out string) { change(man["layers"].([]any)[0].(m), out) }}.write
}

func layouts() []Case {
	entry := func(change func(l *layout, e m, out string)) func(io.Writer, string) error {
		return oci{entry: change}.write
	}
	nested := func(depth int) func(io.Writer, string) error {
		return entry(func(l *layout, e m, _ string) {
			for range depth {
				maps.Copy(e, l.add(ociIndex, asJSON(m{"schemaVersion": 2, "manifests": []any{maps.Clone(e)}})))
			}
		})
	}
	return []Case{
		{
			Name: "digest with a path", CVE: "CVE-2024-3727",
			What:    "sha256:../../…/secret, where digests become file names (containers/image)",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = "sha256:" + climb(out) + "/secret" }),
		},
		{
			Name: "digest of an algorithm with a path", CVE: "CVE-2024-3727",
			What:    "../../secret:abc",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = "../../secret:" + strings.Repeat("0", 64) }),
		},
		{
			Name: "digest without an algorithm", CVE: "CVE-2024-3727",
			What:    "no colon: some digest packages panic",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = strings.Repeat("0", 64) }),
		},
		{
			Name: "digest of an unknown algorithm", CVE: "CVE-2024-3727",
			What:    "md5, which proves nothing, in the place of one that does",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = "md5:d41d8cd98f00b204e9800998ecf8427e" }),
		},
		{
			Name: "digest that is empty", CVE: "CVE-2024-3727",
			What:    "nothing to check against",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = "" }),
		},
		{
			Name: "digest that is short", CVE: "CVE-2024-3727",
			What:    "sha256 of a few digits",
			Verdict: Refused, Says: "digest",
			write: described(func(d m, out string) { d["digest"] = "sha256:abc" }),
		},
		{
			Name: "layer of another size", CVE: "",
			What:    "the descriptor says one byte less",
			Verdict: Refused, Says: "does not match",
			write: described(func(d m, out string) { d["size"] = d["size"].(int) - 1 }),
		},
		{
			Name: "layer of a negative size", CVE: "",
			What:    "-1",
			Verdict: Refused, Says: "size -1",
			write: described(func(d m, out string) { d["size"] = -1 }),
		},
		{
			Name: "layer of a size that overflows", CVE: "",
			What:    "2^64",
			Verdict: Refused, Says: "size",
			write: described(func(d m, out string) { d["size"] = 18446744073709551615.0 }),
		},
		{
			Name: "layer of a size of a megabyte", CVE: "",
			What:    "as many digits, all of which a parser quotes",
			Verdict: Refused, Says: "cannot unmarshal",
			write: described(func(d m, out string) { d["size"] = json.Number("1" + strings.Repeat("0", 1<<20)) }),
		},
		{
			Name: "blob that is not its digest", CVE: "",
			What:    "the configuration's blob has another content of the same length",
			Verdict: Refused, Says: "does not match",
			write: oci{layout: func(l *layout, out string) {
				for name, data := range l.blobs {
					if strings.Contains(string(data), `"rootfs"`) {
						l.blobs[name] = []byte(strings.Replace(string(data), "attack", "ATTACK", 1))
					}
				}
			}}.write,
		},
		{
			Name: "layer blob that is not its digest", CVE: "",
			What:    "gzip's header differs, the tar within is right",
			Verdict: Refused, Says: "has another digest",
			write: oci{manifest: func(l *layout, man m, out string) {
				z := gzipped(harmless().blob)
				d := l.add(ociLayer+"+gzip", z)
				other := slices.Clone(z)
				other[9] ^= 1
				l.blobs[blobPath(sum(z))] = other
				man["layers"] = []any{d}
			}}.write,
		},
		{
			Name: "foreign layer", CVE: "CVE-2020-15157",
			What:    "urls that whoever loads would fetch, with his credentials (containerd)",
			Verdict: Refused, Says: "neither in the archive nor stored",
			write: oci{manifest: func(l *layout, man m, out string) {
				d := man["layers"].([]any)[0].(m)
				delete(l.blobs, blobPath(d["digest"].(string)))
				d["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
				d["urls"] = []string{"http://127.0.0.1:1/layer", "file://" + out + "/secret"}
			}}.write,
		},
		{
			Name: "layer with urls", CVE: "CVE-2020-15157",
			What:    "the layer is there, and urls too: nothing is fetched",
			Verdict: Stored,
			write:   described(func(d m, out string) { d["urls"] = []string{"http://127.0.0.1:1/layer"} }),
		},
		{
			Name: "manifest that is an index too", CVE: "CVE-2021-41190",
			What:    "one document with layers and manifests, which two programs read differently (OCI)",
			Verdict: Refused, Says: "is not the image manifest",
			write: oci{manifest: func(l *layout, man m, out string) { man["manifests"] = []any{} }}.write,
		},
		{
			Name: "manifest with another type inside", CVE: "CVE-2021-41190",
			What:    "described as a manifest, it says it is an index",
			Verdict: Refused, Says: "is not the image manifest",
			write: oci{manifest: func(l *layout, man m, out string) { man["mediaType"] = ociIndex }}.write,
		},
		{
			Name: "index that is a manifest too", CVE: "CVE-2021-41190",
			What:    "index.json with a configuration and layers",
			Verdict: Refused, Says: "not an image index",
			write: oci{layout: func(l *layout, out string) { l.index["layers"] = []any{} }}.write,
		},
		{
			Name: "index within indexes", CVE: "",
			What:    "20 deep",
			Verdict: Refused, Says: "deep",
			write: nested(20),
		},
		{
			Name: "index that lists itself", CVE: "",
			What:    "by the digest of what it would be: no such blob has it",
			Verdict: Refused, Says: "does not match",
			write: entry(func(l *layout, e m, out string) {
				e["mediaType"], e["digest"] = ociIndex, "sha256:"+strings.Repeat("0", 64)
				l.blobs["blobs/sha256/"+strings.Repeat("0", 64)] = asJSON(m{"manifests": []any{e}})
			}),
		},
		{
			Name: "index that doubles at each level", CVE: "",
			What:    "each index lists the next one ten times: 10,000 readings of five blobs",
			Verdict: Refused, Says: "more than",
			write: entry(func(l *layout, e m, _ string) {
				e["platform"] = m{"os": "linux", "architecture": runtime.GOARCH}
				for range 4 {
					list := []any{}
					for range 10 {
						list = append(list, maps.Clone(e))
					}
					maps.Copy(e, l.add(ociIndex, asJSON(m{"schemaVersion": 2, "manifests": list})))
				}
			}),
		},
		{
			Name: "image of another platform", CVE: "",
			What:    "the only one of several is for a machine that is not this one",
			Verdict: Refused, Says: "none of 2 images",
			write: oci{layout: func(l *layout, out string) {
				e := l.index["manifests"].([]any)[0].(m)
				a, b := maps.Clone(e), maps.Clone(e)
				a["platform"], b["platform"] = m{"os": "windows", "architecture": "amd64"}, m{"os": "linux", "architecture": "../../s390x"}
				l.index["manifests"] = []any{a, b}
			}}.write,
		},
		{
			Name: "image for Windows", CVE: "",
			What:    "the configuration says so, the index does not",
			Verdict: Refused, Says: "windows",
			write: oci{manifest: func(l *layout, man m, out string) {
				man["config"] = l.add(ociConfig, config([]layer{harmless()}, func(c m) { c["os"] = "windows" }))
			}}.write,
		},
		{
			Name: "artifact in an image's place", CVE: "",
			What:    "the configuration is of a type that is none",
			Verdict: Refused, Says: "artifact",
			write: oci{manifest: func(l *layout, man m, out string) { man["config"].(m)["mediaType"] = "application/x-evil" }}.write,
		},
		{
			Name: "layer of a type that is none", CVE: "",
			What:    "encrypted, or anything else",
			Verdict: Refused, Says: "not known",
			write: described(func(d m, out string) { d["mediaType"] = ociLayer + "+encrypted" }),
		},
		{
			Name: "layer compressed otherwise than it says", CVE: "CVE-2021-41190",
			What:    "described as gzip, it is plain",
			Verdict: Refused, Says: "compression",
			write: described(func(d m, out string) { d["mediaType"] = ociLayer + "+gzip" }),
		},
		{
			Name: "name in an annotation with a path", CVE: "CVE-2014-9358",
			What:    "io.containerd.image.name is ../../…",
			Verdict: Refused, Says: "invalid reference",
			write: entry(func(l *layout, e m, out string) {
				e["annotations"] = m{"io.containerd.image.name": "../../../../etc/passwd:1"}
			}),
		},
		{
			Name: "data in a descriptor", CVE: "",
			What:    "an embedded copy that is not the blob: it is not believed",
			Verdict: Stored,
			write:   entry(func(l *layout, e m, out string) { e["data"] = []byte("something else") }),
		},
		{
			Name: "blob is a symlink out", CVE: "CVE-2026-63343",
			What:    "the manifest's blob is a symlink to a file of the host",
			Verdict: Refused, Says: "not a regular file",
			write: func(w io.Writer, out string) error {
				name := blobPath("sha256:" + strings.Repeat("1", 64))
				index := asJSON(m{"schemaVersion": 2, "manifests": []any{m{"mediaType": ociManifest, "digest": "sha256:" + strings.Repeat("1", 64), "size": 7}}})
				_, err := w.Write((&tarball{}).file("index.json", string(index)).link(name, out+"/secret").end())
				return err
			},
		},
	}
}
