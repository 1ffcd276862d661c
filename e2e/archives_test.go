//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// digests hashes every regular file of a tar.
func digests(t testing.TB, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			t.Fatal(err)
		}
		out["sha256:"+hex.EncodeToString(sum.Sum(nil))] = h.Name
	}
}

// diffIDs are the layers of a stored image, by its configuration.
func (p *program) diffIDs(id string) []string {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join(p.root, "image/"+p.driver+"/imagedb/content/sha256", strings.TrimPrefix(id, "sha256:")))
	if err != nil {
		p.t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if got := "sha256:" + hex.EncodeToString(sum[:]); got != id {
		p.t.Errorf("configuration of %s has digest %s", id, got)
	}
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		p.t.Fatal(err)
	}
	return c.RootFS.DiffIDs
}

func TestARealImageComesOutByteForByteInBothFormats(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	p.nothingLeft()
	if ids := strings.Fields(p.ok("image", "ls", "-q", "--no-trunc")); len(ids) != 1 || ids[0] != debianSlimID {
		t.Fatalf("ids %v", ids)
	}
	p.ok("image", "verify", debianSlimID)
	for _, format := range []string{"docker-archive", "oci-archive"} {
		out := filepath.Join(t.TempDir(), "o.tar")
		p.ok("image", "save", "--format", format, "-o", out, debianSlimID)
		have := digests(t, out)
		for _, want := range append(p.diffIDs(debianSlimID), debianSlimID) {
			if _, ok := have[want]; !ok {
				t.Errorf("%s: nothing in the archive has digest %s", format, want)
			}
		}
		again := filepath.Join(t.TempDir(), "again.tar")
		p.ok("image", "save", "--format", format, "-o", again, debianSlimID)
		if tool(t, "cmp", out, again) != "" {
			t.Errorf("%s: saved twice, two archives", format)
		}
		transport := map[string]string{"docker-archive": "docker-archive:", "oci-archive": "oci-archive:"}[format]
		var seen struct{ Layers []string }
		if err := json.Unmarshal([]byte(tool(t, "skopeo", "inspect", transport+out)), &seen); err != nil {
			t.Fatal(err)
		}
		if len(seen.Layers) != len(p.diffIDs(debianSlimID)) {
			t.Errorf("skopeo sees layers %v in %s", seen.Layers, format)
		}
		other := newProgram(t)
		other.ok("image", "load", "-q", "-i", out)
		if ids := strings.Fields(other.ok("image", "ls", "-a", "-q", "--no-trunc")); len(ids) != 1 || ids[0] != debianSlimID {
			t.Errorf("%s: loaded again as %v", format, ids)
		}
		other.nothingLeft()
	}
}

func TestUmociUnpacksWhatIsSaved(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	p.ok("image", "tag", debianSlimID, "slim:umoci")
	dir := t.TempDir()
	out := filepath.Join(dir, "o.tar")
	p.ok("image", "save", "--format", "oci-archive", "-o", out, "slim:umoci")
	layout := filepath.Join(dir, "layout")
	if err := os.Mkdir(layout, 0o700); err != nil {
		t.Fatal(err)
	}
	tool(t, "tar", "-xf", out, "-C", layout)
	tags := strings.Fields(tool(t, "umoci", "ls", "--layout", layout))
	if len(tags) != 1 {
		t.Fatalf("umoci sees tags %v", tags)
	}
	bundle := filepath.Join(dir, "bundle")
	tool(t, "umoci", "unpack", "--image", layout+":"+tags[0], bundle)
	if b, err := os.ReadFile(filepath.Join(bundle, "rootfs/etc/dv2")); err != nil || len(b) == 0 {
		t.Errorf("a hard link to a lower layer: %q, %v", b, err)
	}
}

func TestArchivesFromAPipeAndFromADirectory(t *testing.T) {
	t.Parallel()
	image := debianSlim(t)
	p := newProgram(t)
	in, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := p.command("image", "load", "-q")
	cmd.Stdin = in
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r)
	}
	p.nothingLeft()
	dir := t.TempDir()
	tool(t, "tar", "-xf", image, "-C", dir)
	other := newProgram(t)
	other.ok("image", "load", "-i", dir)
	other.nothingLeft()
	for _, p := range []*program{p, other} {
		if ids := strings.Fields(p.ok("image", "ls", "-q", "--no-trunc")); len(ids) != 1 || ids[0] != debianSlimID {
			t.Errorf("ids %v", ids)
		}
	}
	fifo := filepath.Join(dir, "blobs/sha256", strings.TrimPrefix(debianSlimID, "sha256:"))
	if err := os.Remove(fifo); err != nil {
		t.Fatal(err)
	}
	tool(t, "mkfifo", fifo)
	third := newProgram(t)
	third.fails(1, []string{"not a regular file"}, "image", "load", "-i", dir)
	third.nothingLeft()
}

// oci wraps one layer as an OCI archive and returns its path.
func oci(t testing.TB, layer []byte, compress bool) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, body []byte) {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	blob := func(mediaType string, body []byte) map[string]any {
		sum := sha256.Sum256(body)
		digest := hex.EncodeToString(sum[:])
		put("blobs/sha256/"+digest, body)
		return map[string]any{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(body)}
	}
	marshal := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	diff := sha256.Sum256(layer)
	body, kind := layer, "application/vnd.oci.image.layer.v1.tar"
	if compress {
		var z bytes.Buffer
		gz := gzip.NewWriter(&z)
		gz.Write(layer)
		gz.Close()
		body, kind = z.Bytes(), kind+"+gzip"
	}
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	config := blob("application/vnd.oci.image.config.v1+json", marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(diff[:])}},
	}))
	manifest := blob("application/vnd.oci.image.manifest.v1+json", marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{blob(kind, body)},
	}))
	put("index.json", marshal(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}}))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTarCorporaComeOutByteForByteOrAreRefused(t *testing.T) {
	t.Parallel()
	goroot := strings.TrimSpace(tool(t, "go", "env", "GOROOT"))
	split := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/vbatts/tar-split")
	split.Dir = repo(t)
	dir, err := split.Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, pattern := range []string{
		filepath.Join(goroot, "src/archive/tar/testdata/*.tar"),
		filepath.Join(strings.TrimSpace(string(dir)), "tar/asm/testdata/*.tar*"),
		filepath.Join(strings.TrimSpace(string(dir)), "archive/tar/testdata/*.tar"),
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 40 {
		t.Fatalf("only %d archives were found", len(files))
	}
	p := newProgram(t)
	exact, refused := 0, 0
	for _, file := range files {
		layer, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(layer))
			if err != nil {
				t.Fatal(err)
			}
			if layer, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		name := filepath.Base(file)
		r := p.run("image", "load", "-q", "-i", oci(t, layer, false))
		if r.code != 0 {
			refused++
			if lines := strings.Count(strings.TrimSpace(r.stderr), "\n"); r.code != 1 || lines != 0 || !strings.HasPrefix(r.stderr, "bulkhead: ") {
				t.Errorf("%s: exit %d, %q", name, r.code, r.stderr)
			}
			if out := p.ok("image", "ls", "-a", "-q") + p.ok("layer", "ls", "-q"); out != "" {
				t.Errorf("%s was refused and left %s", name, out)
			}
			p.nothingLeft()
			continue
		}
		exact++
		id := strings.Fields(p.ok("image", "ls", "-a", "-q", "--no-trunc"))[0]
		out := filepath.Join(t.TempDir(), "o.tar")
		p.ok("image", "save", "-o", out, id)
		sum := sha256.Sum256(layer)
		if _, ok := digests(t, out)["sha256:"+hex.EncodeToString(sum[:])]; !ok {
			t.Errorf("%s was accepted and did not come out", name)
		}
		p.ok("image", "rm", id)
		p.nothingLeft()
	}
	fmt.Printf("corpora: %d exact, %d refused\n", exact, refused)
	if exact < 20 {
		t.Errorf("only %d archives are stored", exact)
	}
}
