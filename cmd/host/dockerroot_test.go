package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// dockerRoot writes what a dockerd of a version has beneath its root, as far as
// it is read here. What all versions write is that of 20.10, which the
// end-to-end tests run: layer/filestore.go, image/fs.go, reference/store.go and
// daemon/graphdriver/overlay2/overlay.go write the same names, modes and
// contents in v20.10.24 and v28.5.2, and so do their successors of 29 beneath
// daemon/internal.
type dockerRoot struct {
	*testing.T
	version int
	dir     string
	serial  int
	names   map[string]map[string]string
}

// dockerLayer is one of the store: its chain ID, and the driver's ID.
type dockerLayer struct{ chain, cacheID string }

func newDockerRoot(t *testing.T, version int, dir string) *dockerRoot {
	t.Helper()
	d := &dockerRoot{T: t, version: version, dir: dir, names: map[string]map[string]string{}}
	for _, name := range []string{"", "containers", "image/overlay2/layerdb/sha256", "image/overlay2/layerdb/tmp", "image/overlay2/layerdb/mounts",
		"image/overlay2/distribution", "overlay2/l", "volumes", "tmp"} {
		d.mkdir(name, 0o700)
	}
	for name, mode := range map[string]os.FileMode{"": 0o710, "containers": 0o710, "overlay2": 0o710, "volumes": 0o701} {
		d.must(os.Chmod(filepath.Join(dir, name), mode))
	}
	d.bolt("volumes/metadata.db", func(func(string, ...string)) {})
	return d
}

func (d *dockerRoot) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *dockerRoot) mkdir(name string, mode os.FileMode) {
	d.Helper()
	path := filepath.Join(d.dir, name)
	d.must(errors.Join(os.MkdirAll(path, mode), os.Chmod(path, mode)))
}

func (d *dockerRoot) write(name, data string, mode os.FileMode) {
	d.Helper()
	path := filepath.Join(d.dir, name)
	d.must(errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(data), mode), os.Chmod(path, mode)))
}

// id is one as stringid.GenerateRandomID makes them.
func (d *dockerRoot) id() string {
	d.serial++
	return digest.FromString(fmt.Sprint("id ", d.serial)).Encoded()
}

var dockersTime = time.Unix(1700000000, 0)

// tree makes a layer of the driver's. (overlay2/overlay.go create, getLower.)
func (d *dockerRoot) tree(id, parent string) {
	d.Helper()
	d.serial++
	short := strings.ToUpper(digest.FromString(fmt.Sprint("link ", d.serial)).Encoded())[:26]
	d.mkdir("overlay2/"+id, 0o710)
	d.mkdir("overlay2/"+id+"/diff", 0o755)
	d.must(os.Symlink("../"+id+"/diff", filepath.Join(d.dir, "overlay2/l", short)))
	d.write("overlay2/"+id+"/link", short, 0o644)
	if parent == "" {
		return
	}
	d.mkdir("overlay2/"+id+"/work", 0o700)
	d.write("overlay2/"+parent+"/committed", "", 0o600)
	above, err := os.ReadFile(filepath.Join(d.dir, "overlay2", parent, "link"))
	d.must(err)
	lower := "l/" + string(above)
	if more, err := os.ReadFile(filepath.Join(d.dir, "overlay2", parent, "lower")); err == nil {
		lower += ":" + string(more)
	}
	d.write("overlay2/"+id+"/lower", lower, 0o644)
}

// layer stores one with some files; "" as content removes the file beneath.
func (d *dockerRoot) layer(parent dockerLayer, files map[string]string) (dockerLayer, digest.Digest) {
	d.Helper()
	id := d.id()
	d.tree(id, parent.cacheID)
	diff := filepath.Join(d.dir, "overlay2", id, "diff")
	archive, size := d.archive(diff, files)
	diffID := digest.FromBytes(archive)
	chain := diffID
	if parent.chain != "" {
		chain = digest.FromString(parent.chain + " " + diffID.String())
	}
	at := "image/overlay2/layerdb/sha256/" + chain.Encoded()
	d.mkdir(at, 0o700)
	for name, text := range map[string]string{"cache-id": id, "diff": diffID.String(), "parent": parent.chain, "size": fmt.Sprint(size)} {
		if text != "" {
			d.write(at+"/"+name, text, 0o644)
		}
	}
	var record bytes.Buffer
	zip := gzip.NewWriter(&record)
	in, done, err := asm.NewInputTarStreamWithDone(bytes.NewReader(archive), storage.NewJSONPacker(zip), nil)
	d.must(err)
	_, err = io.Copy(io.Discard, in)
	d.must(errors.Join(err, <-done, zip.Close()))
	d.write(at+"/tar-split.json.gz", record.String(), 0o644)
	return dockerLayer{chain.String(), id}, diffID
}

// archive is a layer's, and makes its files in a directory.
func (d *dockerRoot) archive(dir string, files map[string]string) ([]byte, int) {
	d.Helper()
	var buf bytes.Buffer
	size := 0
	tw := tar.NewWriter(&buf)
	d.must(tw.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: dockersTime}))
	d.must(os.Mkdir(filepath.Join(dir, "etc"), 0o755))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, entry, path := files[name], name, filepath.Join(dir, name)
		if text == "" {
			entry = filepath.Join(filepath.Dir(name), ".wh."+filepath.Base(name))
			d.must(unix.Mknod(path, unix.S_IFCHR, 0))
		} else {
			d.must(errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, dockersTime, dockersTime)))
		}
		size += len(text)
		d.must(tw.WriteHeader(&tar.Header{Name: entry, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), ModTime: dockersTime}))
		_, err := io.WriteString(tw, text)
		d.must(err)
	}
	d.must(tw.Close())
	d.must(os.Chtimes(filepath.Join(dir, "etc"), dockersTime, dockersTime))
	return buf.Bytes(), size
}

// image stores a configuration as BuildKit writes it, and names it. It has all
// notes that there can be: of BuildKit's images Docker has the time alone, of
// those that were committed or that the classic builder made both.
func (d *dockerRoot) image(name string, layers ...digest.Digest) string {
	d.Helper()
	config := d.config(layers)
	id := digest.FromString(config)
	d.write("image/overlay2/imagedb/content/sha256/"+id.Encoded(), config, 0o600)
	notes := "image/overlay2/imagedb/metadata/sha256/" + id.Encoded()
	d.write(notes+"/lastUpdated", dockersTime.UTC().Format(time.RFC3339Nano), 0o600)
	if d.version >= 24 { // v24.0.9 image/store.go SetBuiltLocally
		d.write(notes+"/builtLocally", "\x01", 0o600)
	}
	repo, _, _ := strings.Cut(name, ":")
	if d.names[repo] == nil {
		d.names[repo] = map[string]string{}
	}
	d.names[repo][name] = id.String()
	data, err := json.Marshal(map[string]any{"Repositories": d.names})
	d.must(err)
	d.write("image/overlay2/repositories.json", string(data), 0o600)
	return id.String()
}

func (d *dockerRoot) config(layers []digest.Digest) string {
	inner := map[string]any{"Env": []string{"A=1"}, "Cmd": []string{"sh"}}
	config := map[string]any{"architecture": "amd64", "os": "linux", "config": inner, "rootfs": map[string]any{"type": "layers", "diff_ids": layers}}
	var history []any
	for n := range layers {
		step := map[string]any{"created_by": fmt.Sprint("RUN step ", n), "comment": "buildkit.dockerfile.v0"}
		if d.version < 25 {
			step["created"] = dockersTime.UTC()
		}
		history = append(history, step)
	}
	config["history"] = history
	if d.version < 25 {
		config["created"] = dockersTime.UTC()
	} else {
		// Both times may be missing: v25.0.0 image/image.go has a pointer, and
		// the history of the OCI's image-spec, which leaves out what is nil.
		// The interval came with v25.0.0: daemon/container.go, daemon/commit.go.
		inner["Healthcheck"] = map[string]any{"Test": []string{"CMD", "true"}, "StartInterval": 5 * time.Second}
	}
	data, err := json.Marshal(config)
	d.must(err)
	return string(data)
}

// mount stores a layer that is written to. (layer/layer_store.go CreateRWLayer
// and saveMount.)
func (d *dockerRoot) mount(name string, parent dockerLayer, init bool) (id string) {
	d.Helper()
	id = d.id()
	at, below := "image/overlay2/layerdb/mounts/"+name, parent.cacheID
	d.mkdir(at, 0o755)
	d.write(at+"/mount-id", id, 0o644)
	d.write(at+"/parent", parent.chain, 0o644)
	if init {
		below = id + "-init"
		d.tree(below, parent.cacheID)
		d.write("overlay2/"+below+"/diff/.dockerenv", "", 0o755)
		d.write(at+"/init-id", below, 0o644)
	}
	d.tree(id, below)
	return id
}

// container makes one of an image that has ended after it wrote a file.
func (d *dockerRoot) container(image string, parent dockerLayer) string {
	d.Helper()
	name := d.id()
	id := d.mount(name, parent, true)
	d.write("overlay2/"+id+"/diff/x", "x\n", 0o644)
	d.describe(name, image, "overlay2", nil)
	return name
}

// describe writes a container's file, with images that are mounted into it, by
// path. (container/container.go, volume/mounts/mounts.go.)
func (d *dockerRoot) describe(name, image, driver string, mounted map[string]string) {
	d.Helper()
	c := map[string]any{"State": map[string]any{"Running": false, "ExitCode": 0}, "ID": name, "Path": "sh", "Config": map[string]any{"Image": "app:1"},
		"Image": image, "Name": "/box", "Driver": driver, "OS": "linux"}
	points := map[string]any{}
	for path, id := range mounted { // v28.0.0 daemon/volumes.go registerMountPoints
		points[path] = map[string]any{"Source": "/var/lib/docker/overlay2/" + d.id() + "/merged", "Destination": path, "RW": false, "Name": "app:1",
			"Type": "image", "Spec": map[string]any{"Type": "image", "Source": id, "Target": path}}
	}
	c["MountPoints"] = points
	if d.version >= 24 { // v24.0.0: only of a containerd's images it is not null
		c["ImageManifest"] = nil
		if driver == "overlayfs" {
			c["ImageManifest"] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.Digest(image), Size: 2}
		}
	}
	if d.version >= 28 { // v28.0.0
		c["ImagePlatform"] = ocispec.Platform{Architecture: "amd64", OS: "linux"}
	}
	data, err := json.Marshal(c)
	d.must(err)
	d.write("containers/"+name+"/config.v2.json", string(data), 0o600)
}

// imageMounts are those of --mount type=image, which 28 introduced: layers
// without an init layer, whose name tells the container and the image.
func (d *dockerRoot) imageMounts(container string, parent dockerLayer) (ids []string) {
	d.Helper()
	switch {
	case d.version == 28: // v28.0.1 daemon/volumes.go registerMountPoints
		for _, source := range []string{"app:1", "me", "me/app:1"} {
			ids = append(ids, d.imageMount(container+"-"+source, parent))
		}
		d.mkdir("image/overlay2/layerdb/mounts/"+container+"-gone", 0o755) // of gone/app:1: layer/filestore.go RemoveMount
	case d.version >= 29: // moby daemon/volumes.go, before and since commit cb88c6ba10 (January 2026)
		name := container + ",src=registry.example.com/team/project/app:1,dst=/opt"
		ids = append(ids, d.imageMount(hex.EncodeToString([]byte(name)), parent))
		sum := sha256.Sum256([]byte(container + "-src=app:1-dst=/opt"))
		ids = append(ids, d.imageMount(hex.EncodeToString(sum[:]), parent))
	}
	return ids
}

// imageMount is one that is still there when the container has ended, with the
// directory where it was mounted.
func (d *dockerRoot) imageMount(name string, parent dockerLayer) string {
	d.Helper()
	id := d.mount(name, parent, false)
	d.mkdir("overlay2/"+id+"/merged", 0o700)
	return id
}

// buildkit writes its database of snapshots, with one layer of the driver's and
// one of the store's, and the names of the others that a version has beside it.
// (builder/builder-next/adapters/snapshot/snapshot.go, controller.go; since 29
// daemon/internal/builder-next.)
func (d *dockerRoot) buildkit(parent dockerLayer) {
	d.Helper()
	d.mkdir("buildkit", 0o711)
	key := d.id()[:25]
	d.tree(key, parent.cacheID)
	d.bolt("buildkit/snapshots.db", func(put func(value string, path ...string)) {
		put("", parent.chain, "")
		put(parent.chain, key, "parent")
	})
	others := []string{"cache.db", "containerdmeta.db", "metadata_v2.db"}
	if d.version >= 24 { // v24.0.0 controller.go
		others = append(others, "history.db")
	}
	for _, name := range others {
		d.bolt("buildkit/"+name, func(func(string, ...string)) {})
	}
}

// bolt writes a database. The last name is a key, or empty for a bucket alone.
func (d *dockerRoot) bolt(name string, fill func(put func(value string, path ...string))) {
	d.Helper()
	path := filepath.Join(d.dir, name)
	d.must(os.MkdirAll(filepath.Dir(path), 0o700))
	db, err := bbolt.Open(path, 0o600, nil)
	d.must(err)
	d.must(errors.Join(db.Update(func(tx *bbolt.Tx) error {
		fill(func(value string, names ...string) {
			at, err := tx.CreateBucketIfNotExists([]byte(names[0]))
			for _, name := range names[1 : len(names)-1] {
				if err == nil {
					at, err = at.CreateBucketIfNotExists([]byte(name))
				}
			}
			if key := names[len(names)-1]; err == nil && key != "" {
				err = at.Put([]byte(key), []byte(value))
			}
			d.must(err)
		})
		return nil
	}), db.Close()))
}

// containerd writes the store of the containerd that a dockerd starts, with an
// image as a pull or a build leaves it, one that has lost its name, and a
// container of the first. (moby daemon/command/daemon.go containerdRoot,
// daemon/containerd/soft_delete.go, daemon/snapshotter/mount.go; containerd
// core/metadata/buckets.go, plugins/content/local.)
func (d *dockerRoot) containerd() {
	d.Helper()
	named, old := d.manifest("new"), d.manifest("old")
	d.bolt("containerd/daemon/io.containerd.metadata.v1.bolt/meta.db", func(put func(value string, path ...string)) {
		for name, target := range map[string]ocispec.Descriptor{"docker.io/library/new:1": named, "moby-dangling@" + old.Digest.String(): old} {
			put(target.Digest.String(), "v1", "moby", "images", name, "target", "digest")
			put(target.MediaType, "v1", "moby", "images", name, "target", "mediatype")
			put(string(binary.AppendVarint(nil, target.Size)), "v1", "moby", "images", name, "target", "size")
		}
	})
	d.mkdir("rootfs/overlayfs", 0o710)
	d.describe(d.id(), named.Digest.String(), "overlayfs", nil)
}

// manifest puts an image of one layer with one file into that store's content.
func (d *dockerRoot) manifest(text string) ocispec.Descriptor {
	d.Helper()
	blob := func(mediaType string, data []byte) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		d.write("containerd/daemon/io.containerd.content.v1.content/blobs/sha256/"+desc.Digest.Encoded(), string(data), 0o444)
		return desc
	}
	archive, _ := d.archive(d.TempDir(), map[string]string{"etc/" + text: text})
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write(archive)
	d.must(errors.Join(err, zip.Close()))
	layer := blob(ocispec.MediaTypeImageLayerGzip, packed.Bytes())
	config := blob(ocispec.MediaTypeImageConfig, []byte(d.config([]digest.Digest{digest.FromBytes(archive)})))
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": config, "layers": []any{layer}})
	d.must(err)
	return blob(ocispec.MediaTypeImageManifest, data)
}
