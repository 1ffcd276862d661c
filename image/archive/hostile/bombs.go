package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// flow is a layer that is made piece by piece, and held compressed alone.
func flow(pack func(io.Writer) io.WriteCloser, fill func(t *tarball, flush func())) layer {
	var blob bytes.Buffer
	z, h := pack(&blob), sha256.New()
	t := &tarball{}
	flush := func() {
		io.MultiWriter(z, h).Write(t.Bytes()) // buffers and hashes take all
		t.Reset()
	}
	fill(t, flush)
	t.end()
	flush()
	z.Close()
	return layer{"sha256:" + hex.EncodeToString(h.Sum(nil)), blob.Bytes()}
}

func gzipWriter(w io.Writer) io.WriteCloser {
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is one that there is
	}
	return z
}

// zstdWriter uses a window of that size.
func zstdWriter(window int) func(io.Writer) io.WriteCloser {
	return func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // the size is one that there can be
		}
		return z
	}
}

// heavy is an archive of one such layer.
func heavy(pack func(io.Writer) io.WriteCloser, fill func(t *tarball, flush func())) func(io.Writer, string) error {
	return func(w io.Writer, out string) error { return dockerSave(w, flow(pack, fill)) }
}

// zeros is a file of so many MiB.
func zeros(mebibytes int) func(t *tarball, flush func()) {
	return func(t *tarball, flush func()) {
		t.add(head{name: "zeros", size: int64(mebibytes) << 20})
		padding(mebibytes)(t, flush)
	}
}

func padding(mebibytes int) func(t *tarball, flush func()) {
	mib := make([]byte, 1<<20)
	return func(t *tarball, flush func()) {
		for range mebibytes {
			t.Write(mib)
			flush()
		}
	}
}

// each adds n entries, or groups of them.
func each(n int, add func(t *tarball, i int)) func(t *tarball, flush func()) {
	return func(t *tarball, flush func()) {
		for i := range n {
			add(t, i)
			if t.Len() > 1<<20 {
				flush()
			}
		}
	}
}

// outer is an archive with n entries that nobody asks for, before those of a
// harmless image; it is compressed as a whole.
func outer(n int, add func(t *tarball, i int)) func(io.Writer, string) error {
	return func(w io.Writer, out string) error {
		z := gzipWriter(w)
		var t tarball
		each(n, add)(&t, func() { z.Write(t.Bytes()); t.Reset() }) // an error comes back at Close
		z.Write(t.Bytes())
		if err := save().write(z); err != nil {
			return err
		}
		return z.Close()
	}
}

const mebi = 1 << 20

func bombs() []Case {
	long := func(i int) string { // 4,000 bytes, all of which differ from the others early
		return fmt.Sprintf("%08d/", i) + strings.Repeat(strings.Repeat("n", 199)+"/", 19) + strings.Repeat("n", 190)
	}
	deep := strings.Repeat(strings.Repeat("n", 199)+"/", 19)
	bombs := []Case{
		{
			Name: "gzip bomb", CVE: "CVE-2017-14992",
			What:    "1.5 GiB of zeros in 2 MiB",
			Verdict: Refused, Says: "limits.layer",
			write: heavy(gzipWriter, zeros(1536)),
		},
		{
			Name: "zstd bomb", CVE: "",
			What:    "1.5 GiB of zeros in some hundred KiB",
			Verdict: Refused, Says: "limits.layer",
			write: heavy(zstdWriter(8*mebi), zeros(1536)),
		},
		{
			Name: "bomb of several layers", CVE: "CVE-2017-14992",
			What:    "each is less than a layer may be, together they are more than an image may be",
			Verdict: Refused, Says: "limits.load",
			write: func(w io.Writer, out string) error {
				var layers []layer
				for i := range 4 {
					layers = append(layers, flow(gzipWriter, zeros(450+i)))
				}
				return dockerSave(w, layers...)
			},
		},
		{
			Name: "archive that is a bomb", CVE: "",
			What:    "the archive itself is compressed, and longer than there may be temporary files",
			Verdict: Refused, Says: "limits.spool",
			write: func(w io.Writer, out string) error {
				z := gzipWriter(w)
				var t tarball
				zeros(1536)(&t, func() { z.Write(t.Bytes()); t.Reset() }) // an error comes back at Close
				return z.Close()
			},
		},
		{
			Name: "zeros behind the end", CVE: "CVE-2017-14992",
			What:    "450 MiB of padding, which tar-split held in memory",
			Verdict: Stored,
			write: heavy(gzipWriter, func(t *tarball, flush func()) {
				t.file("f", Payload)
				padding(450)(t, flush)
			}),
		},
		{
			Name: "zstd with a window of 64 MiB", CVE: "",
			What:    "as large as is allowed without being told, and all of it used",
			Verdict: Stored,
			write:   heavy(zstdWriter(64*mebi), zeros(400)),
		},
		{
			Name: "zstd with a window of 128 MiB", CVE: "",
			What:    "as large as zstd itself allows",
			Verdict: Refused, Says: "limits.window",
			write: heavy(zstdWriter(128*mebi), zeros(200)),
		},
		{
			Name: "extended headers without a file", CVE: "CVE-2022-2879",
			What:    "450 PAX headers of almost 1 MiB follow each other: each is within what a header may have, and none is let go",
			Verdict: Refused, Says: "headers",
			write: heavy(gzipWriter, each(450, func(t *tarball, i int) { t.pax("comment", strings.Repeat("x", mebi-64)) })),
		},
		{
			Name: "long names without a file", CVE: "CVE-2022-2879",
			What:    "the same by GNU's long names",
			Verdict: Refused, Says: "headers",
			write: heavy(gzipWriter, each(450, func(t *tarball, i int) {
				t.add(head{kind: longName, gnu: true, name: "././@LongLink", body: strings.Repeat("x", mebi)})
			})),
		},
		{
			Name: "GNU sparse map without end", CVE: "CVE-2026-32288",
			What:    "a million pieces, 21 in each block",
			Verdict: Refused, Says: "sparse map too long",
			write: heavy(gzipWriter, func(t *tarball, flush func()) { oldSparse(t, 50_000) }),
		},
		{
			Name: "a megabyte beside each name", CVE: "CVE-2022-2879",
			What:    "450 files whose PAX headers hold a name and a comment of almost 1 MiB: who keeps the name keeps the comment",
			Verdict: Stored,
			write: heavy(gzipWriter, each(450, func(t *tarball, i int) {
				t.pax("comment", strings.Repeat("x", mebi-200), "path", fmt.Sprintf("dir/%d", i)).file("x", Payload)
			})),
		},
		{
			Name: "a megabyte of attributes of each file", CVE: "CVE-2023-39804",
			What:    "450 files with 15 attributes of 64 KiB each, which are held until the driver decides",
			Verdict: Refused, Says: "hard link to",
			write: heavy(gzipWriter, each(450, func(t *tarball, i int) {
				if i == 0 {
					t.hard("h", "nothing") // refused when all that is read ahead is held
				}
				var all []string
				for n := range 15 {
					all = append(all, fmt.Sprintf("SCHILY.xattr.user.%d", n), strings.Repeat("x", 64<<10))
				}
				t.pax(all...).file(fmt.Sprint(i), Payload)
			})),
		},
		{
			Name: "a million files", CVE: "",
			What:    "each is a name that has to be remembered",
			Verdict: Stored,
			write: heavy(gzipWriter, each(1_000_000, func(t *tarball, i int) {
				t.file(fmt.Sprintf("%03d/file-%d", i/1000, i), "")
			})),
		},
		{
			Name: "300,000 directories", CVE: "CVE-2024-28863",
			What:    "each gets its time at the end, and has to be remembered until then",
			Verdict: Stored,
			write: heavy(gzipWriter, each(300_000, func(t *tarball, i int) {
				t.dir(fmt.Sprintf("%03d/dir-%d/", i/1000, i))
			})),
		},
		{
			Name: "200,000 files through a symlink", CVE: "",
			What:    "each might be one with another, and is looked at again",
			Verdict: Stored,
			write: heavy(gzipWriter, func(t *tarball, flush func()) {
				t.dir("d/").link("l", "d")
				each(200_000, func(t *tarball, i int) { t.file(fmt.Sprintf("l/%d", i), "x") })(t, flush)
			}),
		},
		{
			Name: "more entries than there may be", CVE: "",
			What:    "a million and a half, none of which takes a file",
			Verdict: Refused, Says: "limits.entries",
			write: heavy(gzipWriter, each(1_500_000, func(t *tarball, i int) {
				t.file(fmt.Sprintf(".wh..wh.plnk/%d", i), "")
			})),
		},
		{
			Name: "names of 4,000 bytes", CVE: "",
			What:    "100,000 of them: 400 MB of names",
			Verdict: Stored,
			write: heavy(gzipWriter, each(100_000, func(t *tarball, i int) {
				t.dir(deep + fmt.Sprintf("%08d/", i))
			})),
		},
		{
			Name: "archive of long names", CVE: "",
			What:    "60,000 entries that nobody asks for, each with a name and a target of 4,000 bytes",
			Verdict: Refused, Says: "names",
			write: outer(60_000, func(t *tarball, i int) { t.link(long(i), long(i)) }),
		},
		{
			Name: "archive of long headers", CVE: "CVE-2022-2879",
			What:    "450 entries that nobody asks for, with a comment of almost 1 MiB beside each name",
			Verdict: Stored,
			write: outer(450, func(t *tarball, i int) {
				t.pax("comment", strings.Repeat("x", mebi-200), "path", fmt.Sprintf("other/%d", i)).file("x", Payload)
			}),
		},
		{
			Name: "archive of 100,000 files", CVE: "",
			What:    "more than an image archive has",
			Verdict: Refused, Says: "entries",
			write: outer(100_000, func(t *tarball, i int) { t.file(fmt.Sprintf("other/%d", i), "") }),
		},
		{
			Name: "manifest of a million images", CVE: "CVE-2023-25153, CVE-2020-1702",
			What:    "4 MiB of {}: each becomes a hundred bytes (containerd, containers/image)",
			Verdict: Refused, Says: "values",
			write: docker(func(s *saved, out string) {
				s.manifest = []byte("[" + strings.Repeat("{},", 4*mebi/3-2) + "{}]")
			}),
		},
		{
			Name: "index of a million manifests", CVE: "CVE-2023-25153, CVE-2020-1702",
			What:    "the same in index.json",
			Verdict: Refused, Says: "values",
			write: oci{layout: func(l *layout, out string) {
				l.raw = []byte(`{"manifests":[` + strings.Repeat("{},", 4*mebi/3-20) + "{}]}")
			}}.write,
		},
		{
			Name: "index with annotations without end", CVE: "CVE-2023-25153",
			What:    "4 MiB of annotations of one manifest",
			Verdict: Refused, Says: "values",
			write: oci{layout: func(l *layout, out string) {
				var b strings.Builder
				for i := range 4 * mebi / 14 {
					fmt.Fprintf(&b, `"%06x":"",`, i)
				}
				l.raw = []byte(`{"manifests":[{"annotations":{` + b.String() + `"x":""}}]}`)
			}}.write,
		},
		{
			Name: "one image a thousand times", CVE: "CVE-2020-1702",
			What:    "manifest.json lists a configuration of 8 MiB 1,000 times",
			Verdict: Stored,
			write: docker(func(s *saved, out string) {
				s.config = config(s.layers, func(c m) { c["padding"] = strings.Repeat("x", 8*mebi-1000) })
				s.manifest = slices.Repeat([]item{s.item()}, 1000)
			}),
		},
		{
			Name: "forty large configurations", CVE: "CVE-2020-1702",
			What:    "40 images, each with a configuration of 8 MiB, and all of them read before the first layer",
			Verdict: Refused, Says: "configurations",
			write: docker(func(s *saved, out string) {
				var items []item
				var configs []string
				for i := range 40 {
					raw := config(s.layers, func(c m) { c["n"], c["padding"] = i, strings.Repeat("x", 8*mebi-1000) })
					name := encoded(sum(raw)) + ".json"
					items = append(items, item{Config: name, Layers: s.item().Layers})
					configs = append(configs, name, string(raw))
				}
				s.manifest = items
				s.extra = func(t *tarball) {
					for i := 0; i < len(configs); i += 2 {
						t.file(configs[i], configs[i+1])
					}
				}
			}),
		},
		{
			Name: "history of millions", CVE: "CVE-2020-1702",
			What:    "8 MiB of {} in a configuration, each of which becomes a hundred bytes",
			Verdict: Refused, Says: "values",
			write: text(func(json string) string {
				return strings.Replace(json, `"history":[{`, `"history":[`+strings.Repeat("{},", (8*mebi-1000)/3)+`{`, 1)
			}),
		},
		{
			Name: "a hundred thousand names", CVE: "CVE-2020-1702",
			What:    "RepoTags of one image, 4 MiB of them",
			Verdict: Refused, Says: "values",
			write: listed(func(it *item, out string) {
				for i := range 4 * mebi / 11 {
					it.RepoTags = append(it.RepoTags, fmt.Sprintf("a:%05x", i))
				}
			}),
		},
	}
	for i := range bombs {
		bombs[i].Heavy = true
	}
	return bombs
}
