//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// vfsTrees finds the tree of each layer beneath a root that uses vfs, by the
// layer's chain ID.
func vfsTrees(t testing.TB, root string) map[string]string {
	t.Helper()
	db := filepath.Join(root, "image/vfs/layerdb/sha256")
	chains, err := os.ReadDir(db)
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]string{}
	for _, c := range chains {
		id, err := os.ReadFile(filepath.Join(db, c.Name(), "cache-id"))
		if err != nil {
			t.Fatal(err)
		}
		trees[c.Name()] = filepath.Join(root, "vfs/dir", string(id))
	}
	return trees
}

func TestTheTreesOfAnImageAreDockerds(t *testing.T) {
	t.Parallel()
	docker := dockerd(t, "vfs")
	root := strings.TrimSpace(docker("info", "--format", "{{.DockerRootDir}}"))
	for name, image := range map[string]func(t *testing.T) (archive string){
		"a real one": func(t *testing.T) string {
			p := newProgram(t)
			p.ok("image", "load", "-i", debianSlim(t))
			out := filepath.Join(t.TempDir(), "o.tar")
			p.ok("image", "save", "--format", "docker-archive", "-o", out, debianSlimID)
			return out
		},
		"an awkward one": func(t *testing.T) string { return dockerArchive(t, awkwardLayers(t)...) },
	} {
		t.Run(name, func(t *testing.T) {
			archive := image(t)
			docker("load", "-i", archive)
			p := newProgram(t)
			p.ok("image", "load", "-i", archive)
			ours, theirs := vfsTrees(t, p.root), vfsTrees(t, root)
			for _, chain := range slices.Sorted(maps.Keys(ours)) {
				if theirs[chain] == "" {
					t.Errorf("dockerd has no layer %s", chain)
					continue
				}
				for _, d := range compareTrees(t, theirs[chain], ours[chain]) {
					if i := slices.IndexFunc(differences, func(k difference) bool { return k.of.MatchString(d) }); i >= 0 {
						t.Logf("layer %.12s: %s: %s", chain, d, differences[i].why)
						continue
					}
					t.Errorf("layer %.12s: dockerd's and ours: %s", chain, d)
				}
			}
		})
	}
}

// difference is one between the trees that dockerd and we make of a layer
// which is understood.
type difference struct {
	of  *regexp.Regexp
	why string
}

// differences lists all. Those of time say that dockerd's was made just now.
var differences = []difference{
	{regexp.MustCompile(`^"\.": mtime 20[2-9]`), "dockerd makes and removes a directory in the root when it has extracted; without an entry for the root its time is nobody's"},
	{regexp.MustCompile(`^"(etc|opaque)": mtime 20[2-9]`), "a directory without an entry of its own keeps its time here, and gets that of the extraction in dockerd"},
	{regexp.MustCompile(`^"(implied|implied/by|long)": (mode 0600, and 0755|mtime 20[2-9])`), "a directory that only a path names: dockerd before 23.0 makes it 0600, and always with the time of the extraction"},
	{regexp.MustCompile(`^"(opaque|sticky)": (mode 0755, and|uid 0, and|mtime 20[2-9])`), "a directory without an entry of its own keeps what lower layers say of it here; dockerd's overlay2 makes it anew, 0755, root's and of now"},
	{regexp.MustCompile(`^"to-link": mtime 20[2-9]`), "a directory that only a path names, in place of a lower layer's symlink"},
	{regexp.MustCompile(`^"old": mtime 1970-01-01T00:00:00Z, and 1969`), "dockerd moves times before 1970 to it"},
	{regexp.MustCompile(`^"dangling2": a link of "dangling2", and of "dangling"`), "dockerd's vfs copies a parent's hard links of symlinks apart"},
}

// dockerArchive wraps layers as docker save would, the lowest first.
func dockerArchive(t testing.TB, layers ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, body []byte) {
		t.Helper()
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	marshal := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var diffs, names []string
	for _, l := range layers {
		d := digest.FromBytes(l)
		diffs, names = append(diffs, string(d)), append(names, d.Encoded()+"/layer.tar")
		put(names[len(names)-1], l)
	}
	config := marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	name := digest.FromBytes(config).Encoded() + ".json"
	put(name, config)
	put("manifest.json", marshal([]any{map[string]any{"Config": name, "Layers": names}}))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// awkwardLayers are what images hold that is easily got wrong.
func awkwardLayers(t testing.TB) [][]byte {
	t.Helper()
	at := func(s int64) time.Time { return time.Unix(1_500_000_000+s, 111_222_333) }
	dir := func(name string, mode, s int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, ModTime: at(s)}
	}
	file := func(name, body string, mode, s int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: at(s), Size: int64(len(body)), Uname: body}
	}
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to, ModTime: at(99), Mode: 0o644}
	}
	symlink := func(name, to string, s int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to, ModTime: at(s), Mode: 0o777}
	}
	node := func(kind byte, name string, major, minor, s int64) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Mode: 0o640, Devmajor: major, Devminor: minor, ModTime: at(s), Gid: 6}
	}
	with := func(h tar.Header, change func(*tar.Header)) tar.Header { change(&h); return h }
	return [][]byte{
		pack(t, dir(".", 0o755, 1), dir("etc", 0o755, 2), file("etc/a", "a", 0o600, 3), file("etc/b", "b", 0o644, 4),
			dir("gone", 0o755, 5), file("gone/x", "x", 0o644, 6), dir("opaque", 0o711, 7), file("opaque/old", "o", 0o644, 8),
			file("implied/by/this", "i", 0o644, 9), link("etc/a2", "etc/a"), link("twin", "etc/a"),
			symlink("abs", "/etc/a", 10), symlink("dangling", "no/where", 11), link("dangling2", "dangling"),
			node(tar.TypeFifo, "fifo", 0, 0, 12), node(tar.TypeChar, "null", 1, 3, 13), node(tar.TypeBlock, "loop", 7, 9, 14),
			with(file("setuid", "s", 0o4755, 15), func(h *tar.Header) { h.Uid, h.Gid = 1000, 2000 }),
			with(dir("sticky", 0o3777, 16), func(h *tar.Header) { h.Uid = 65534 }),
			with(file("caps", "c", 0o755, 17), func(h *tar.Header) {
				h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
			}),
			with(file("attr", "x", 0o644, 18), func(h *tar.Header) {
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "\x00\xff", "SCHILY.xattr.trusted.y": "t"}
			}),
			with(dir("attrdir", 0o755, 19), func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.d": "v"} }),
			with(file("old", "1", 0o644, 0), func(h *tar.Header) { h.ModTime = time.Unix(-5, 500_000_000) }),
			file("bytes-\xff\n", "1", 0o644, 20), file("long/"+strings.Repeat("n", 120), "l", 0o644, 21),
			dir("as-dir", 0o755, 22), file("as-dir/in", "i", 0o644, 23), file("as-file", "f", 0o644, 24), dir("to-link", 0o755, 25),
			dir("late", 0o500, 26), file("late/in", "i", 0o400, 27)),
		pack(t, file("etc/.wh.b", "", 0o644, 30), file(".wh.gone", "", 0o644, 31), file(".wh.never-was", "", 0o644, 32),
			file("opaque/.wh..wh..opq", "", 0o644, 33), file("opaque/new", "n", 0o644, 34), file("as-dir", "now a file", 0o644, 35),
			dir("as-file", 0o700, 36), symlink("to-link", "etc", 37), link("hard-to-lower", "setuid"), dir("attrdir", 0o750, 38),
			file("etc/c", "no entry for its directory", 0o644, 39), file("attr", "without attributes", 0o644, 40)),
		pack(t, file("to-link/through", "t", 0o644, 50), symlink("as-dir", "as-file", 51), file(".wh.abs", "", 0o644, 52),
			file("sticky/.wh.nothing", "", 0o644, 53), link("hard-again", "hard-to-lower")),
	}
}

// pack writes entries as PAX. A file's body travels in its Uname.
func pack(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		body := ""
		if h.Typeflag == tar.TypeReg {
			body, h.Uname = h.Uname, ""
		}
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", h.Name, err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
