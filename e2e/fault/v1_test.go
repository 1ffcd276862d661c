//go:build fault

package fault

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

// v1Root writes the root of a Docker 1.9 with vfs: an image for each layer, on
// top of one another. Nothing of them is removed by a later one.
func v1Root(t testing.TB, layers ...[]byte) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tool := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
	}
	parent := ""
	for i, l := range layers {
		id := strings.Repeat(fmt.Sprintf("%x", 15-i), 64)
		doc := map[string]any{"id": id, "created": "2015-10-31T22:22:55Z", "docker_version": "1.9.1", "architecture": "amd64", "os": "linux"}
		write("vfs/dir/"+id+".tar", l)
		tree := filepath.Join(dir, "vfs/dir", id)
		if parent == "" {
			tool("mkdir", tree)
		} else {
			doc["parent"] = parent
			tool("cp", "-a", filepath.Join(dir, "vfs/dir", parent), tree)
		}
		tool("tar", "-C", tree, "--numeric-owner", "--same-owner", "-xpf", tree+".tar")
		tool("rm", tree+".tar")
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		write("graph/"+id+"/json", text)
		write("graph/"+id+"/layersize", fmt.Append(nil, len(l)))
		write("graph/"+id+"/tar-data.json.gz", tarData(t, l))
		parent = id
	}
	write("repositories-vfs", fmt.Appendf(nil, `{"Repositories":{"migrated":{"1":%q}}}`, parent))
	return dir
}

// tarData is what Docker noted of an archive to make it again of its files.
func tarData(t testing.TB, layer []byte) []byte {
	t.Helper()
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	in, err := asm.NewInputTarStream(bytes.NewReader(layer), storage.NewJSONPacker(zip), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return data.Bytes()
}
