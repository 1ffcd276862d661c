//go:build e2e

package e2e

import (
	"archive/tar"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// liar is a program whose driver lies when it is told to (testdata/liar).
func liar(t *testing.T) *program {
	t.Helper()
	dir := t.TempDir()
	wasm := filepath.Join(dir, "liar.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", wasm, "./e2e/testdata/liar")
	build.Dir = repo(t)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("drivers:\n  liar:\n    path: %s\n    trust: none\n    grants: [mount.overlay, mknod.whiteout, xattr.trusted, xattr.user]\n", wasm)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t)
	p.driver = "liar"
	p.env = append(p.env, "BULKHEAD_CONFIG="+config)
	return p
}

func TestADriverThatLiesOfALayerMountsNothing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	p := liar(t)
	file := func(name string) tar.Header {
		return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: 1, Uname: "x"}
	}
	p.ok("image", "load", "-i", dockerArchive(t, pack(t, file("c")), pack(t, file("b")), pack(t, file("a"))))
	top := p.topLayer()
	id := strings.TrimSpace(p.ok("image", "ls", "-q"))
	p.ok("image", "load", "-i", dockerArchive(t, pack(t, file("x"))))
	p.ok("layer", "create", "--parent", id, "work")
	p.ok("layer", "create", "--parent", id, "other")

	chain := cacheIDs(t, p.root, "liar", top)
	names := map[string]string{"A": chain[0], "B": chain[1], "C": chain[2]}
	names["W"] = readLine(t, p.root, "image/liar/layerdb/mounts/work/mount-id")
	names["V"] = readLine(t, p.root, "image/liar/layerdb/mounts/other/mount-id")
	caches, _ := filepath.Glob(filepath.Join(p.root, "image/liar/layerdb/sha256/*/cache-id"))
	for _, path := range caches {
		if cache := readLine(t, path); cache != chain[0] && cache != chain[1] && cache != chain[2] {
			names["X"] = cache
		}
	}
	names["LINK"] = "l/" + readLine(t, p.root, "liar", chain[0], "link")
	home := filepath.Join(p.root, "liar")
	for link, to := range map[string]string{"out": "/etc", "twin": chain[0]} {
		if err := os.Symlink(to, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(home, names["W"], "etc")); err != nil {
		t.Fatal(err)
	}
	// A space is between paths, a capital letter is a layer.
	fill := func(spec string) string {
		words := strings.Fields(spec)
		for i, w := range words[1:] {
			first, rest, _ := strings.Cut(w, "/")
			if name := names[first]; name != "" {
				words[i+1] = strings.TrimSuffix(name+"/"+rest, "/")
			}
		}
		return strings.Join(words, "\n")
	}
	p.ok("umount", p.mount("other")) // so that its directories are known
	image, work := id, "work"
	for name, test := range map[string]struct{ of, spec, says string }{
		"another layer's directory":        {image, "overlay X/diff B/diff C/diff", "where layer"},
		"another layer as a tree":          {image, "dir X/diff", "was stored at"},
		"another order":                    {image, "overlay B/diff A/diff C/diff", "where layer"},
		"the parents in another order":     {image, "overlay A/diff C/diff B/diff", "where layer"},
		"fewer lowers":                     {image, "overlay A/diff B/diff", "2 directories for the 3 layers"},
		"none but itself":                  {image, "dir A/diff", "that lies on"},
		"more lowers":                      {image, "overlay A/diff B/diff C/diff X/diff", "4 directories for the 3 layers"},
		"a layer twice":                    {image, "overlay A/diff A/diff B/diff C/diff", "4 directories for the 3 layers"},
		"a directory above":                {image, "overlay A/diff B/diff ../../etc", "where layer"},
		"a tree above":                     {image, "dir ../../../etc", "the directory \"../../../etc\""},
		"an absolute path":                 {image, "dir /etc", "the directory \"/etc\""},
		"an absolute lower":                {image, "overlay A/diff B/diff /etc", "where layer"},
		"the home":                         {image, "dir .", "the directory \".\""},
		"a symlink out":                    {image, "dir out", ""},
		"a symlink to the layer":           {image, "overlay twin/diff B/diff C/diff", "where layer"},
		"the layer's short name":           {image, "overlay LINK B/diff C/diff", "where layer"},
		"a directory of the layer's":       {image, "dir A", ""},
		"a committed layer to be written":  {image, "writable A/diff A/work B/diff C/diff", "nothing may be written"},
		"marks of another kind":            {image, "overlay-user A/diff B/diff C/diff", "marks of overlay"},
		"nothing":                          {image, "overlay A/none B/diff C/diff", "where layer"},
		"a committed upper":                {work, "writable A/diff W/work A/diff B/diff C/diff", ""},
		"another container's upper":        {work, "writable V/diff W/work A/diff B/diff C/diff", ""},
		"another container's work":         {work, "writable W/diff V/work A/diff B/diff C/diff", ""},
		"work in a committed layer":        {work, "writable W/diff A/diff A/diff B/diff C/diff", ""},
		"upper and work the same":          {work, "writable W/diff W/diff A/diff B/diff C/diff", "beside the upper one"},
		"an upper above":                   {work, "writable ../../etc W/work A/diff B/diff C/diff", "../../etc"},
		"an upper by a symlink":            {work, "writable W/etc W/work A/diff B/diff C/diff", ""},
		"a container without its image":    {work, "writable W/diff W/work", ""},
		"a container on part of its image": {work, "writable W/diff W/work A/diff C/diff", "2 directories for the 3 layers"},
		"a container on another image":     {work, "writable W/diff W/work X/diff", "1 directories for the 3 layers"},
		"a committed layer as a container": {work, "dir A/diff", ""},
	} {
		t.Run(name, func(t *testing.T) {
			of := map[string]string{image: chain[0], work: names["W"]}[test.of]
			if err := os.WriteFile(filepath.Join(home, "lie"), []byte(of+"\n"+fill(test.spec)), 0o600); err != nil {
				t.Fatal(err)
			}
			r := p.run("mount", "--verify=none", test.of)
			if r.code != 1 && r.code != 3 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, test.says) {
				t.Errorf("exit %d, and not one error with %q:\n%s%s", r.code, test.says, r.stdout, r.stderr)
			} else {
				t.Log(strings.TrimSpace(r.stderr))
			}
			if left := p.ok("mount", "--format", "{{.Target}}"); left != "" {
				t.Errorf("mounted is %s", left)
				p.ok("umount", strings.TrimSpace(left))
			}
		})
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if run := strings.TrimPrefix(p.env[0], "BULKHEAD_RUN_DIR="); strings.Contains(string(table), run) {
		t.Errorf("something is mounted in %s", run)
	}
	if err := os.Remove(filepath.Join(home, "lie")); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]string{image: "a b c", work: "a b c"} {
		entries, err := os.ReadDir(p.mount(of))
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("without a lie %s shows %v: %v", of, got, err)
		}
	}
}
