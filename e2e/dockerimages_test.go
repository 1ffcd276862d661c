//go:build e2e

package e2e

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// debianDocker is the docker whose tables are compared: what it prints
// differs from one version to the next.
func debianDocker(t testing.TB) string {
	t.Helper()
	for _, path := range []string{"/usr/bin/docker", "docker"} {
		if out, err := exec.Command(path, "--version").Output(); err == nil && strings.Contains(string(out), "version 20.10.") {
			return path
		}
	}
	t.Skip("docker 20.10 is not installed (make deps on Debian 12)")
	return ""
}

// daemonWithImages is a dockerd with images of all kinds, some of which have
// containers, and the docker whose output is compared.
func daemonWithImages(t *testing.T) *daemon {
	t.Helper()
	client := debianDocker(t)
	d := newDaemon(t, "vfs")
	d.client = client
	d.env = []string{"DOCKER_BUILDKIT=0", "DOCKER_CONFIG=" + t.TempDir(), "TZ=America/St_Johns"} // not whole hours from UTC
	now := time.Now()
	loadDescribed(t, d, now)
	pullDigests(t, d, now)
	buildAndRun(t, d)
	return d
}

// made is an image that is described rather than built.
type made struct {
	names  []string
	age    time.Duration // 0 for none told
	layers []string      // a file's content each
	config map[string]any
	image  map[string]any // further fields of the configuration
}

const day = 24 * time.Hour

// described are images of all ages, sizes and shapes. Ages are such that
// "3 weeks ago" is the same for the next ten minutes.
func described() []made {
	text := func(n int) string { return strings.Repeat("x", n) }
	step := func(by string, more ...any) map[string]any {
		h := map[string]any{"created": "2020-01-02T03:04:05.678901234Z", "created_by": by}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i].(string)] = more[i+1]
		}
		return h
	}
	labels := func(kv ...string) map[string]any {
		m := map[string]string{}
		for _, s := range kv {
			k, v, _ := strings.Cut(s, "=")
			m[k] = v
		}
		return map[string]any{"Labels": m, "Cmd": []string{"run"}}
	}
	base := text(1_300_000)
	return []made{
		{names: []string{"app:1", "app:latest", "app:2.0-rc1"}, age: 5*day + 6*time.Hour, layers: []string{base}, config: labels("tier=web", "owner=a<b>")},
		{names: []string{"team/app:1"}, age: 24 * day, layers: []string{base, text(999)}, config: labels("tier=web")},
		{names: []string{"registry.example.com:5000/team/tool:v1", "tool:v1"}, age: 130 * day, layers: []string{base, text(12_345)}, config: labels("tier=db", "empty=")},
		{names: []string{"tiny:latest"}, age: 3*365*day + 100*day, layers: []string{"12345"}},
		{names: []string{"nothing:here"}, age: 3*time.Hour + 10*time.Minute},
		{names: []string{"undated:1"}, layers: []string{text(100_000)}, config: labels("tier=web", "x=y=z")},
		{age: 40 * day, layers: []string{base, text(50)}, config: labels("tier=none")},
		{age: 26*time.Hour + 15*time.Minute, layers: []string{text(3_456_789)}, config: map[string]any{}},
		{
			names: []string{"told/everything:1"}, age: 800 * day, layers: []string{"a", "bc", ""},
			config: map[string]any{
				"Hostname": "h", "Domainname": "d", "User": "1:2", "Env": []string{"A=<1>", "B=&"}, "Cmd": []string{"sh", "-c", "echo \"x\""},
				"Entrypoint": []string{}, "ExposedPorts": map[string]any{"80/tcp": struct{}{}, "53/udp": struct{}{}}, "Volumes": map[string]any{"/data": struct{}{}},
				"WorkingDir": "/w", "OnBuild": []string{"RUN x"}, "StopSignal": "SIGINT", "StopTimeout": 5, "Shell": []string{"/bin/sh"}, "ArgsEscaped": true,
				"Healthcheck": map[string]any{"Test": []string{"CMD", "true"}, "Interval": 1e9, "Timeout": 2e9, "StartPeriod": 3e9, "Retries": 4}, "Labels": map[string]string{"l": "v"},
			},
			image: map[string]any{
				"author": "A <a@example.com>", "docker_version": "1.2", "container": "c0ffee", "variant": "v8", "os.version": "10", "comment": "",
				"container_config": map[string]any{"Cmd": "an old string", "Image": "sha256:0"},
				"history": []any{
					step("/bin/sh -c #(nop) ADD file:0123456789abcdef0123456789abcdef in / "), step("ENV A=\t<1>", "empty_layer", true),
					step("漢字とかなの長い説明がここにあり、四十五桁を超えるまで続きます", "author", "x"), step("short", "comment", "what <it> is"),
				},
			},
		},
	}
}

// loadDescribed makes docker load them.
func loadDescribed(t testing.TB, d *daemon, now time.Time) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "images.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	put := func(name string, data []byte) {
		t.Helper()
		err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))})
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var manifest []any
	for i, m := range described() {
		var layers []string
		for j, body := range m.layers {
			name := fmt.Sprintf("%d-%d.tar", i, j)
			put(name, archive(t, fmt.Sprintf("file-%d", j), body))
			layers = append(layers, name)
		}
		name := fmt.Sprintf("%d.json", i)
		put(name, m.document(t, now))
		manifest = append(manifest, map[string]any{"Config": name, "RepoTags": m.names, "Layers": layers})
	}
	list, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	put("manifest.json", list)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d.docker("load", "-i", path)
}

func (m made) document(t testing.TB, now time.Time) []byte {
	t.Helper()
	diffs := []string{}
	for j, body := range m.layers {
		diffs = append(diffs, digest.FromBytes(archive(t, fmt.Sprintf("file-%d", j), body)).String())
	}
	doc := map[string]any{"architecture": "amd64", "os": "linux", "rootfs": map[string]any{"type": "layers", "diff_ids": diffs}}
	if m.age > 0 {
		doc["created"] = now.Add(-m.age).UTC().Format(time.RFC3339Nano)
	}
	if m.config != nil {
		doc["config"] = m.config
	}
	for k, v := range m.image {
		doc[k] = v
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pullDigests makes docker pull an image by tag and another by digest, from a
// registry in this process, so that they have digests.
func pullDigests(t testing.TB, d *daemon, now time.Time) {
	t.Helper()
	blobs := map[string][]byte{}
	manifests := map[string][]byte{}
	add := func(m made, tag string) string {
		layer := archive(t, "file-0", m.layers[0])
		config := m.document(t, now)
		blobs[digest.FromBytes(layer).String()], blobs[digest.FromBytes(config).String()] = layer, config
		manifest, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
			"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest.FromBytes(config), "size": len(config)},
			"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "digest": digest.FromBytes(layer), "size": len(layer)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		dgst := digest.FromBytes(manifest).String()
		manifests[dgst], manifests[tag] = manifest, manifest
		return dgst
	}
	add(made{age: 200 * day, layers: []string{"tagged and digested"}, config: map[string]any{"Labels": map[string]string{"tier": "web"}}}, "stable")
	alone := add(made{age: 300 * day, layers: []string{"only digested"}, config: map[string]any{"Labels": map[string]string{"tier": "db"}}}, "unused")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		body := blobs[last]
		if strings.Contains(r.URL.Path, "/manifests/") {
			body = manifests[last]
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
		} else if r.URL.Path == "/v2/" {
			body = []byte("{}")
		}
		if body == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body)
	}))
	defer server.Close()
	repo := strings.TrimPrefix(server.URL, "http://") + "/pulled/app"
	d.docker("pull", repo+":stable")
	d.docker("pull", repo+"@"+alone)
	d.docker("tag", repo+":stable", "alias:stable")
}

// buildAndRun makes docker build images, which have parents, and containers.
func buildAndRun(t testing.TB, d *daemon) {
	t.Helper()
	dir := t.TempDir()
	build := func(tag, file string) {
		t.Helper()
		for name, text := range map[string]string{"Dockerfile": file, "payload": file} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		d.docker("build", "-q", "-t", tag, dir)
	}
	build("built:1", "FROM app:1\nLABEL tier=built\nCOPY payload /p\nENV A=1\n")
	build("built:1", "FROM app:1\nLABEL tier=built\nCOPY payload /p\nENV A=2\n") // the first has no name now
	build("built:child", "FROM built:1\nLABEL more=\"a b\"\nCMD [\"x\"]\n")
	build("scratch:1", "FROM scratch\nCOPY payload /only\n")
	d.docker("create", "app:1", "x")
	d.docker("create", "app:1", "y")
	d.docker("create", "built:1", "z")
	d.docker("create", "scratch:1", "only")
	d.docker("commit", "-m", "by hand", "-a", "someone", d.firstContainer("built:1"), "committed/here:1")
	d.docker("import", "-m", "imported", "-c", "LABEL tier=web", writeFile(t, archive(t, "i", "i")), "imported:1")
}

func (d *daemon) firstContainer(image string) string {
	d.t.Helper()
	return strings.Fields(d.docker("ps", "-a", "-q", "--filter", "ancestor="+image))[0]
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
