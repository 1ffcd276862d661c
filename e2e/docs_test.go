//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commands takes the lines after "$ " out of a document's console blocks.
func commands(t testing.TB, doc string) []string {
	t.Helper()
	b, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		for _, line := range strings.Split(block[1], "\n") {
			if c, ok := strings.CutPrefix(line, "$ "); ok {
				out = append(out, c)
			}
		}
	}
	return out
}

// clone copies what git tracks, so that commands may write where they stand.
func clone(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `git ls-files -z | xargs -0 cp --parents -t "$0"`, dir)
	cmd.Dir = repo(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestEveryCommandInTheDocumentsWorks(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{"README.md", "docs/operators.md", "docs/drivers.md", "bench/README.md", "abi/README.md"} {
		t.Run(doc, func(t *testing.T) {
			dir := clone(t)
			if err := os.Rename(thisMachine(t), filepath.Join(dir, "image.tar")); err != nil {
				t.Fatal(err)
			}
			host := distribution(t, false) // that of the documents listens on 5000
			for _, c := range commands(t, filepath.Join(repo(t), doc)) {
				c = strings.ReplaceAll(c, "127.0.0.1:5000", host)
				if target, ok := strings.CutPrefix(c, "make "); ok {
					// These are run as they stand by CI; here only that they exist.
					c = "make -n " + target
				}
				cmd := exec.Command("sh", "-c", c)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Join(repo(t), "bin")+":"+os.Getenv("PATH"), "BULKHEAD_ROOT="+filepath.Join(dir, "root"), "BULKHEAD_RUN_DIR="+filepath.Join(dir, "run"))
				if !strings.Contains(c, "--driver") {
					cmd.Env = append(cmd.Env, "BULKHEAD_DRIVER=vfs")
				}
				if r := finish(t, cmd); r.code != 0 {
					t.Fatalf("$ %s\nexit %d\n%s%s", c, r.code, r.stdout, r.stderr)
				}
			}
		})
	}
}

// thisMachine is an image by the name that the documents use.
func thisMachine(t testing.TB) string {
	t.Helper()
	p := newProgram(t)
	p.ok("image", "load", "-q", "-i", oci(t, archive(t, "etc/hello", "hello\n"), true))
	id := strings.Fields(p.ok("image", "ls", "-a", "-q", "--no-trunc"))[0]
	p.ok("image", "tag", id, "this-machine:latest")
	out := filepath.Join(t.TempDir(), "image.tar")
	p.ok("image", "save", "-o", out, "this-machine:latest")
	return out
}
