//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

// v1Root writes the root of a Docker 1.9: directories and files as its sources
// have them (moby v1.9.1 graph/graph.go, graph/tags.go), tar-split data by the
// very package that it used.
type v1Root struct {
	t           testing.TB
	dir, driver string
	names       map[string]map[string]string
}

func newV1Root(t testing.TB, driver string) *v1Root {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("owners of files in layers need root")
	}
	return &v1Root{t: t, dir: t.TempDir(), driver: driver, names: map[string]map[string]string{}}
}

func (r *v1Root) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *v1Root) write(path string, data []byte) {
	r.t.Helper()
	r.must(os.MkdirAll(filepath.Dir(filepath.Join(r.dir, path)), 0o700))
	r.must(os.WriteFile(filepath.Join(r.dir, path), data, 0o600))
}

// tree is where the driver keeps a layer.
func (r *v1Root) tree(id string) string {
	if r.driver == "aufs" {
		return filepath.Join(r.dir, "aufs", "diff", id)
	}
	return filepath.Join(r.dir, r.driver, "dir", id)
}

// whiteouts are what an archive says is removed, as patterns.
func whiteouts(t testing.TB, layer []byte) (removed []string) {
	t.Helper()
	for tr := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return removed
		}
		if err != nil {
			t.Fatal(err)
		}
		dir, name := filepath.Split(h.Name)
		if gone, ok := strings.CutPrefix(name, ".wh."); ok {
			if gone == ".wh..opq" {
				gone = "*"
			}
			removed = append(removed, dir+gone)
		}
	}
}

// image stores an image whose layer came as an archive.
func (r *v1Root) image(id, parent, comment string, layer []byte) {
	r.t.Helper()
	tree := r.tree(id)
	r.must(os.MkdirAll(filepath.Dir(tree), 0o700))
	if parent != "" && r.driver == "vfs" { // vfs copies all that is beneath
		tool(r.t, "cp", "-a", r.tree(parent), tree)
	} else {
		r.must(os.Mkdir(tree, 0o755))
	}
	for _, name := range whiteouts(r.t, layer) {
		gone, err := filepath.Glob(filepath.Join(tree, name))
		r.must(err)
		for _, path := range gone {
			r.must(os.RemoveAll(path))
		}
	}
	file := writeFile(r.t, layer)
	tool(r.t, "tar", "-C", tree, "--numeric-owner", "--same-owner", "-xpf", file, "--exclude=.wh.*")
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	in, err := asm.NewInputTarStream(bytes.NewReader(layer), storage.NewJSONPacker(zip), nil)
	r.must(err)
	_, err = io.Copy(io.Discard, in)
	r.must(err)
	r.must(zip.Close())
	doc, err := json.Marshal(map[string]any{
		"id": id, "created": "2015-10-31T22:22:55.613815829Z", "comment": comment, "docker_version": "1.9.1", "architecture": "amd64", "os": "linux",
		"config": map[string]any{"Cmd": []string{"sh"}}, "container_config": map[string]any{"Cmd": []string{"/bin/sh", "-c", comment}},
	})
	r.must(err)
	if parent != "" {
		doc = bytes.Replace(doc, []byte(`"os"`), []byte(`"parent":"`+parent+`","os"`), 1)
	}
	for name, b := range map[string][]byte{
		"json": doc, "layersize": []byte(strconv.Itoa(len(layer))), "tar-data.json.gz": data.Bytes(), "checksum": []byte(digest.FromBytes(data.Bytes())),
	} {
		r.write(filepath.Join("graph", id, name), b)
	}
}

func (r *v1Root) tag(name, tag, id string) {
	r.t.Helper()
	if r.names[name] == nil {
		r.names[name] = map[string]string{}
	}
	r.names[name][tag] = id
	b, err := json.Marshal(map[string]any{"Repositories": r.names})
	r.must(err)
	r.write("repositories-"+r.driver, b)
}

func regular(name, body string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body)), Uname: body, ModTime: time.Unix(1, 0)}
}

func v1ID(c string) string { return strings.Repeat(c, 64) }

// onDebian writes the real image, a v1 image for each of its layers, and one of
// a file less and a file more on top of it.
func onDebian(t *testing.T, driver string) (r *v1Root, layers [][]byte) {
	t.Helper()
	p := newProgram(t)
	p.ok("image", "load", "-i", debianSlim(t))
	r, layers = newV1Root(t, driver), p.layersOf(debianSlimID)
	parent := ""
	for i, l := range layers {
		id := v1ID(string("bcdf"[i])) // in no order of theirs
		r.image(id, parent, "debian", l)
		parent = id
	}
	r.tag("debian", "1", parent)
	layers = append(layers, pack(t, regular("etc/.wh.issue", ""), regular("made", "once")))
	r.image(v1ID("a"), parent, "made", layers[len(layers)-1])
	r.tag("app", "latest", v1ID("a"))
	r.write(filepath.Join("graph", "_tmp", "x"), nil)
	return r, layers
}

func TestDockerdGoesOnWithTheImagesOfADocker19(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"vfs", "overlay2"} {
		t.Run("to "+driver, func(t *testing.T) {
			r, layers := onDebian(t, "vfs")
			before := everything(t, r.dir)
			d := newDaemon(t, driver)
			d.stop()
			p := onDaemonsRoot(d)
			out := p.ok("migrate", "--from-v1", r.dir)
			if !strings.Contains(out, fmt.Sprintf("%d images migrated", len(layers))) || !strings.Contains(out, fmt.Sprintf("%d of them verified", len(layers))) || !strings.Contains(out, "2 names") {
				t.Errorf("got %s", out)
			}
			if after := everything(t, r.dir); !bytes.Equal(after, before) {
				t.Errorf("the old root was changed: %q", differing(before, after))
			}
			p.ok("check", "--full")
			if got := p.layersOf(p.imageID("app:latest")); !slices.EqualFunc(got, layers, bytes.Equal) {
				t.Error("other layers are saved")
			}
			if out := p.ok("migrate", "--from-v1", r.dir); !strings.Contains(out, "0 images migrated") || !strings.Contains(out, fmt.Sprintf("%d were there", len(layers))) {
				t.Errorf("again: %s", out)
			}

			d.start()
			names := strings.Fields(d.docker("images", "--format", "{{.Repository}}:{{.Tag}}"))
			slices.Sort(names)
			if !slices.Equal(names, []string{"app:latest", "debian:1"}) {
				t.Errorf("dockerd has %v", names)
			}
			var want []string
			for _, l := range layers {
				want = append(want, digest.FromBytes(l).Encoded())
			}
			if got := layerDigests(t, d, "app:latest"); !slices.Equal(got, want) {
				t.Errorf("dockerd saves %v, not %v", got, want)
			}
			if got := d.docker("run", "--rm", "--network", "none", "app:latest", "sh", "-c", "cat /made; ls /etc/issue || echo gone"); got != "oncegone\n" {
				t.Errorf("a container says %q", got)
			}
			if got := d.docker("history", "-q", "--no-trunc", "app:latest"); strings.Contains(got, "missing") {
				t.Errorf("a parent is not known: %s", got)
			}
		})
	}
}

func TestImagesOfADriverThatIsNoMoreComeOver(t *testing.T) {
	t.Parallel()
	r, layers := onDebian(t, "aufs")
	p := newProgram(t)
	p.ok("migrate", "--from-v1", r.dir)
	p.ok("check", "--full")
	if got := p.layersOf(p.imageID("app")); !slices.EqualFunc(got, layers, bytes.Equal) {
		t.Error("other layers are saved")
	}
}

func TestMigrateTellsWhatIsDamagedUnverifiedOrOfAContainer(t *testing.T) {
	t.Parallel()
	r, layers := onDebian(t, "vfs")
	r.must(os.WriteFile(filepath.Join(r.tree(v1ID("a")), "made"), []byte("nice"), 0o600))
	r.image(v1ID("9"), v1ID(string("bcdf"[len(layers)-2])), "told", pack(t, regular("told", "x")))
	r.must(os.Remove(filepath.Join(r.dir, "graph", v1ID("9"), "tar-data.json.gz")))
	r.tag("told", "1", v1ID("9"))
	r.write("containers/"+v1ID("e")+"/config.json", []byte(`{"Name":"/box"}`))
	p := newProgram(t)
	res := p.fails(3, []string{
		"image aaaaaaaaaaaa: image aaaaaaaaaaaa is corrupt", "content is not what was stored", "name app:latest: image aaaaaaaaaaaa did not come over",
		`container eeeeeeeeeeee ("box"): containers are not migrated`,
	}, "migrate", "--from-v1", r.dir)
	if !strings.Contains(res.stdout, "unverified: its layer is what driver vfs tells") || !strings.Contains(res.stdout, fmt.Sprintf("%d images migrated", len(layers))) {
		t.Errorf("got %s", res.stdout)
	}
	p.ok("check", "--full")
	if got := p.ok("image", "ls", "--format", "{{.Repository}}"); !strings.Contains(got, "told") || strings.Contains(got, "app") {
		t.Errorf("got %s", got)
	}
	if got := p.layersOf(p.imageID("told:1")); len(got) != len(layers) || !bytes.Contains(got[len(got)-1], []byte("told")) || len(got[len(got)-1]) > 1<<20 {
		t.Errorf("%d layers", len(got))
	}
	p.fails(1, []string{"not to be changed"}, "--root", r.dir, "migrate", "--from-v1", r.dir)
	r.must(os.Rename(filepath.Join(r.dir, "vfs"), filepath.Join(r.dir, "devicemapper")))
	p.fails(1, []string{"driver devicemapper", "docker save"}, "migrate", "--from-v1", r.dir)
	p.fails(1, []string{"use it as it is"}, "migrate", "--from-v1", p.root)
}
