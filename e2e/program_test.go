//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// repo is the top of the checkout.
func repo(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// debianSlim is a real image that is not part of the project.
func debianSlim(t testing.TB) string {
	t.Helper()
	p := filepath.Join(repo(t), "../shared/images/debian-slim.oci.tar")
	if _, err := os.Stat(p); err != nil {
		t.Skipf("the Debian image is not here: %v", err)
	}
	return p
}

const debianSlimID = "sha256:efa61b38076897d863cb2d6576f0b48d0988ef672cc9b45bc2b2ad6581538170"

// program is bin/bulkhead with a root of its own, and of its own mounts.
type program struct {
	t            testing.TB
	root, driver string
	env          []string
}

func newProgram(t testing.TB) *program {
	t.Helper()
	return &program{t: t, root: t.TempDir(), driver: "vfs", env: []string{"BULKHEAD_RUN_DIR=" + t.TempDir()}}
}

// newProgramOn is newProgram with another driver, which must work here.
func newProgramOn(t testing.TB, driver string) *program {
	t.Helper()
	if driver == "overlay2" && os.Geteuid() != 0 {
		t.Skip("overlay2 needs root")
	}
	p := newProgram(t)
	p.driver = driver
	return p
}

// cacheID is the driver's name of the layer with that diff ID.
func (p *program) cacheID(diffID string) string {
	p.t.Helper()
	for _, line := range strings.Split(p.ok("layer", "ls", "--no-trunc", "--format", "{{.DiffID}} {{.CacheID}}"), "\n") {
		if diff, id, _ := strings.Cut(line, " "); diff == diffID {
			return id
		}
	}
	p.t.Fatalf("no layer %s", diffID)
	return ""
}

type result struct {
	stdout, stderr string
	code           int
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(repo(p.t), "bin/bulkhead"), append([]string{"--root", p.root, "--driver", p.driver}, args...)...)
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

func (p *program) run(args ...string) result {
	p.t.Helper()
	return finish(p.t, p.command(args...))
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ok runs a command that must succeed and returns what it printed.
func (p *program) ok(args ...string) string {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("bulkhead %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// fails runs a command that must end with a code and one line that says all of
// what is given.
func (p *program) fails(code int, says []string, args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code != code {
		p.t.Fatalf("bulkhead %v: exit %d, want %d\n%s%s", args, r.code, code, r.stdout, r.stderr)
	}
	for _, s := range says {
		if !strings.Contains(r.stderr, s) {
			p.t.Errorf("bulkhead %v: the error does not say %q: %s", args, s, r.stderr)
		}
	}
	return r
}

// tool runs another program, which must succeed.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed (make deps)", name)
	}
	r := finish(t, exec.Command(name, args...))
	if r.code != 0 {
		t.Fatalf("%s %v: exit %d\n%s%s", name, args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// chains lists the layers that images have: of each image, each beginning of
// its list of diff IDs makes one.
func (p *program) chains() map[string]bool {
	p.t.Helper()
	used := map[string]bool{}
	configs, _ := filepath.Glob(filepath.Join(p.root, "image", p.driver, "imagedb/content/sha256/*"))
	for _, path := range configs {
		data, err := os.ReadFile(path)
		var config struct {
			RootFS struct {
				DiffIDs []digest.Digest `json:"diff_ids"`
			} `json:"rootfs"`
		}
		if err == nil {
			err = json.Unmarshal(data, &config)
		}
		if err != nil {
			p.t.Fatalf("%s: %v", path, err)
		}
		for i, diff := range config.RootFS.DiffIDs {
			chain := diff
			if i > 0 {
				chain = digest.FromString(string(config.RootFS.DiffIDs[i-1]) + " " + string(diff))
			}
			config.RootFS.DiffIDs[i] = chain
			used[chain.Encoded()] = true
		}
	}
	return used
}

// nothingLeft checks that the store holds exactly what its database says: no
// layer that no image has, no directory of the driver without a layer, no
// transaction, no journal entry, no temporary file.
func (p *program) nothingLeft() {
	p.t.Helper()
	db := filepath.Join(p.root, "image", p.driver, "layerdb")
	known, used := map[string]bool{}, p.chains()
	chains, _ := os.ReadDir(filepath.Join(db, "sha256"))
	for _, c := range chains {
		if !used[c.Name()] {
			p.t.Errorf("layer %s belongs to no image", c.Name())
		}
		id, err := os.ReadFile(filepath.Join(db, "sha256", c.Name(), "cache-id"))
		if err != nil {
			p.t.Errorf("layer %s is not whole: %v", c.Name(), err)
		}
		known[string(id)] = true
	}
	home := filepath.Join(p.root, p.driver)
	if p.driver == "vfs" {
		home = filepath.Join(home, "dir")
	}
	dirs, _ := os.ReadDir(home)
	for _, d := range dirs {
		if d.Name() == "l" { // overlay2's symlinks
			continue
		}
		if !known[d.Name()] {
			p.t.Errorf("the driver holds %s, which belongs to no layer", d.Name())
		}
		delete(known, d.Name())
	}
	for id := range known {
		p.t.Errorf("layer %s has no directory", id)
	}
	for _, empty := range []string{"image/" + p.driver + "/layerdb/tmp", "image/" + p.driver + "/layerdb/mounts", "bulkhead/" + p.driver + "/journal", "bulkhead/" + p.driver + "/containers"} {
		entries, _ := os.ReadDir(filepath.Join(p.root, empty))
		for _, e := range entries {
			p.t.Errorf("%s/%s was left", empty, e.Name())
		}
	}
	for _, dir := range []string{"image/" + p.driver, "image/" + p.driver + "/imagedb/content/sha256", "image/" + p.driver + "/imagedb/metadata/sha256"} {
		entries, _ := os.ReadDir(filepath.Join(p.root, dir))
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") || strings.Contains(e.Name(), "tmp") {
				p.t.Errorf("%s/%s was left", dir, e.Name())
			}
		}
	}
}
