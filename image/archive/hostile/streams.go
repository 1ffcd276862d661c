package hostile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func gzipped(data []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(data) // a bytes.Buffer takes all
	w.Close()
	return buf.Bytes()
}

func zstded(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // no option is given
	}
	return w.EncodeAll(data, nil)
}

// blob is an archive of one layer that is tar in diffs and lies as pack makes it.
func blob(pack func(tar []byte) []byte) func(io.Writer, string) error {
	return func(w io.Writer, out string) error {
		tar := (&tarball{}).dir("d/").file("d/f", Payload).file("zeros", strings.Repeat("\x00", 200<<10)).end()
		return dockerSave(w, layer{sum(tar), pack(tar)})
	}
}

// as is an archive of one layer that is just these bytes, and says so.
func as(data func() []byte) func(io.Writer, string) error {
	return func(w io.Writer, out string) error { return dockerSave(w, plain(data())) }
}

func sample() []byte { return (&tarball{}).dir("d/").file("d/f", strings.Repeat(Payload, 200)).end() }

func streams() []Case {
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	// frame is a zstd frame with a header of these bytes.
	frame := func(header ...byte) []byte { return join([]byte{0x28, 0xb5, 0x2f, 0xfd}, header) }
	skippable := func(n uint32, data string) []byte {
		return join([]byte{0x50, 0x2a, 0x4d, 0x18}, binary.LittleEndian.AppendUint32(nil, n), []byte(data))
	}
	return []Case{
		{
			Name: "layer that is no tar", CVE: "CVE-2021-20291",
			What:    "the one who unpacks fails, and the one who feeds him waits for ever (containers/storage)",
			Verdict: Refused, Says: "header",
			write: as(func() []byte { return []byte(strings.Repeat("not a tar ", 100_000)) }),
		},
		{
			Name: "layer cut in a payload", CVE: "",
			What:    "its digest is that of what is there",
			Verdict: Refused, Says: "middle of an entry",
			write: as(func() []byte { return sample()[:512+512+700] }),
		},
		{
			Name: "layer cut in a header", CVE: "",
			What:    "the same, in the header",
			Verdict: Refused, Says: "middle of an entry",
			write: as(func() []byte { return sample()[:512+200] }),
		},
		{
			Name: "layer without an end", CVE: "",
			What:    "no zeros follow the last entry, which many writers leave out",
			Verdict: Stored,
			write:   as(func() []byte { return (&tarball{}).file("f", Payload).Bytes() }),
		},
		{
			Name: "layer with more behind its end", CVE: "CVE-2017-14992",
			What:    "another tar, which climbs, behind the zeros: kept, never unpacked",
			Verdict: Stored,
			write: func(w io.Writer, out string) error {
				behind := (&tarball{}).file(climb(out)+"/pwned", Payload).end()
				return dockerSave(w, plain(join(sample(), behind, []byte("not even a block"))))
			},
		},
		{
			Name: "layer of nothing", CVE: "",
			What:    "0 bytes",
			Verdict: Stored,
			write:   as(func() []byte { return nil }),
		},
		{
			Name: "layer of zeros", CVE: "CVE-2017-14992",
			What:    "16 MiB of padding and no entry: tar-split read it whole, so that a small archive took all memory",
			Verdict: Stored,
			write: func(w io.Writer, out string) error {
				tar := make([]byte, 16<<20)
				return dockerSave(w, layer{sum(tar), gzipped(tar)})
			},
		},
		{
			Name: "gzip cut off", CVE: "",
			What:    "the end of the compressed layer is missing",
			Verdict: Refused, Says: "gzip",
			write: blob(func(tar []byte) []byte { z := gzipped(tar); return z[:len(z)-9] }),
		},
		{
			Name: "gzip with a wrong checksum", CVE: "",
			What:    "the data is right, its CRC is not",
			Verdict: Refused, Says: "gzip",
			write: blob(func(tar []byte) []byte { z := gzipped(tar); z[len(z)-6] ^= 1; return z }),
		},
		{
			Name: "gzip with more behind it", CVE: "",
			What:    "bytes that are no gzip",
			Verdict: Refused, Says: "gzip",
			write: blob(func(tar []byte) []byte { return join(gzipped(tar), []byte("more")) }),
		},
		{
			Name: "gzip in pieces", CVE: "",
			What:    "several members are one stream, whatever a reader takes for its end",
			Verdict: Stored,
			write: blob(func(tar []byte) []byte {
				return join(gzipped(tar[:700]), gzipped(nil), gzipped(tar[700:]))
			}),
		},
		{
			Name: "gzip of 100,000 empty pieces", CVE: "CVE-2022-30631",
			What:    "each one was a call deeper (Go's compress/gzip)",
			Verdict: Stored,
			write: blob(func(tar []byte) []byte {
				return join(gzipped(tar), bytes.Repeat(gzipped(nil), 100_000))
			}),
		},
		{
			Name: "gzip whose name has no end", CVE: "",
			What:    "a header field of a megabyte",
			Verdict: Refused, Says: "gzip",
			write: blob(func(tar []byte) []byte {
				return join([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255}, bytes.Repeat([]byte("n"), 1<<20), gzipped(tar))
			}),
		},
		{
			Name: "gzip within gzip", CVE: "",
			What:    "compressed twice, it is no tar",
			Verdict: Refused, Says: "middle of an entry",
			write: blob(func(tar []byte) []byte { return gzipped(gzipped(tar)) }),
		},
		{
			Name: "zstd cut off", CVE: "",
			What:    "the end of the compressed layer is missing",
			Verdict: Refused, Says: "zstd",
			write: blob(func(tar []byte) []byte { z := zstded(tar); return z[:len(z)-5] }),
		},
		{
			Name: "zstd in pieces", CVE: "",
			What:    "frames, and between them some to be skipped",
			Verdict: Stored,
			write: blob(func(tar []byte) []byte {
				return join(skippable(4, "skip"), zstded(tar[:700]), skippable(0, ""), zstded(tar[700:]))
			}),
		},
		{
			Name: "zstd frame to be skipped, of 4 GiB", CVE: "",
			What:    "it says so and ends",
			Verdict: Refused, Says: "zstd",
			write: blob(func(tar []byte) []byte { return join(zstded(tar), skippable(1<<32-1, "x")) }),
		},
		{
			Name: "zstd with a window of terabytes", CVE: "",
			What:    "a decoder that believes it allocates it",
			Verdict: Refused, Says: "zstd",
			write: blob(func(tar []byte) []byte { return join(frame(0x00, 0xff), bytes.Repeat([]byte{0}, 100)) }),
		},
		{
			Name: "zstd that says it is 16 EiB", CVE: "",
			What:    "a single segment of that size is a window of that size",
			Verdict: Refused, Says: "zstd",
			write: blob(func(tar []byte) []byte {
				return join(frame(0xe0), bytes.Repeat([]byte{0xff}, 8), []byte{1, 0, 0})
			}),
		},
		{
			Name: "zstd with a dictionary", CVE: "",
			What:    "one that nobody has",
			Verdict: Refused, Says: "zstd",
			write: blob(func(tar []byte) []byte { return join(frame(0x03, 0x50, 1, 2, 3, 4), []byte{1, 0, 0}) }),
		},
		{
			Name: "xz", CVE: "CVE-2014-9357, CVE-2021-29482",
			What:    "Docker ran a program to unpack it, as root (and Go's xz looped); here its head is no xz",
			Verdict: Refused, Says: "xz",
			write: blob(func(tar []byte) []byte { return join([]byte("\xfd7zXZ\x00\x00\x04"), tar) }),
		},
		{
			Name: "bzip2 that is none", CVE: "",
			What:    "the first bytes promise it",
			Verdict: Refused, Says: "bzip2",
			write: blob(func(tar []byte) []byte { return join([]byte("BZh9"), tar) }),
		},
	}
}
