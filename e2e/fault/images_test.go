//go:build fault

package fault

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// entry is one of a layer's archive.
type entry struct {
	name, data, link string
	kind             byte
	xattr            string
}

func layerOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: 0o640, Uid: 7 * i, Gid: 3, Size: int64(len(e.data)), ModTime: time.Unix(1e9+int64(i), 0), Format: tar.FormatPAX}
		switch e.kind {
		case 0:
			h.Typeflag = tar.TypeReg
		case tar.TypeDir:
			h.Mode = 0o755
		}
		if e.xattr != "" {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": e.xattr}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// images are the archives that are loaded.
type images struct {
	small, other, keeper, debian, tree string
	root, v1, registry                 string // that have the small one, or its layers
	isolated                           string // a configuration: drivers have processes of their own
}

// makeImages writes archives of an image of three layers with a hard link, a
// symlink, an attribute, a whiteout and an opaque directory; of another that
// has the same first layer; and of one that nothing is done to.
func makeImages(t testing.TB) images {
	t.Helper()
	dir := t.TempDir()
	base := layerOf(t,
		entry{name: "etc/", kind: tar.TypeDir},
		entry{name: "etc/passwd", data: "root:x:0:0\n", xattr: "first"},
		entry{name: "etc/shadow", link: "etc/passwd", kind: tar.TypeLink},
		entry{name: "lib", link: "usr/lib", kind: tar.TypeSymlink},
		entry{name: "usr/lib/", kind: tar.TypeDir},
		entry{name: "usr/lib/large", data: strings.Repeat("0123456789abcdef", 6000)},
		entry{name: "dir/", kind: tar.TypeDir},
		entry{name: "dir/below", data: "below"},
		entry{name: "null", kind: tar.TypeFifo},
	)
	middle := layerOf(t,
		entry{name: "etc/", kind: tar.TypeDir},
		entry{name: "etc/.wh.shadow"},
		entry{name: "dir/", kind: tar.TypeDir},
		entry{name: "dir/.wh..wh..opq"},
		entry{name: "dir/above", data: "above", xattr: "second"},
	)
	top := layerOf(t,
		entry{name: "etc/passwd", data: "root:x:0:0\nnobody:x:99:99\n"},
		entry{name: "copy", link: "etc/passwd", kind: tar.TypeLink},
	)
	own := layerOf(t, entry{name: "own", data: "own"})
	kept := layerOf(t, entry{name: "kept", data: "kept"})
	tree := filepath.Join(dir, "tree.tar")
	if err := os.WriteFile(tree, base, 0o600); err != nil {
		t.Fatal(err)
	}
	isolated := filepath.Join(dir, "isolated.yaml")
	if err := os.WriteFile(isolated, []byte("drivers:\n  overlay2: {isolation: process}\n  vfs: {isolation: process}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := images{
		tree: tree, isolated: isolated, v1: v1Root(t, base, kept),
		small:  dockerArchive(t, filepath.Join(dir, "small.tar"), "small:1", base, middle, top),
		other:  dockerArchive(t, filepath.Join(dir, "other.tar"), "other:1", base, own),
		keeper: dockerArchive(t, filepath.Join(dir, "keeper.tar"), "keeper:1", kept),
	}
	p := &program{t: t, disk: &disk{t: t, dir: t.TempDir()}, driver: "vfs", run: t.TempDir()}
	p.ok("image", "load", "-q", "-i", in.small)
	in.root = p.root()
	return in
}

// dockerArchive writes an image as `docker save` does.
func dockerArchive(t testing.TB, path, name string, layers ...[]byte) string {
	t.Helper()
	type object map[string]any
	var diffs, names []string
	var history []object
	var files []entry
	for i, l := range layers {
		diffs = append(diffs, fmt.Sprintf("sha256:%x", sha256.Sum256(l)))
		names = append(names, fmt.Sprintf("%d/layer.tar", i))
		files = append(files, entry{name: names[i], data: string(l)})
		history = append(history, object{"created": "2024-05-06T07:08:09Z", "created_by": name})
	}
	config, err := json.Marshal(object{
		"architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09Z", "config": object{"Cmd": []string{"/bin/sh"}},
		"rootfs": object{"type": "layers", "diff_ids": diffs}, "history": history,
	})
	if err != nil {
		t.Fatal(err)
	}
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]object{{"Config": configName, "RepoTags": []string{name}, "Layers": names}})
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, entry{name: configName, data: string(config)}, entry{name: "manifest.json", data: string(manifest)})
	if err := os.WriteFile(path, layerOf(t, files...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
