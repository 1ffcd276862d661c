//go:build e2e

package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRemovalsAreDockers(t *testing.T) {
	t.Parallel()
	d := daemonWithImages(t)
	d.stop()
	p := &program{t: t, root: filepath.Join(t.TempDir(), "root")}
	tool(t, "cp", "-a", d.root(), p.root)
	d.start()

	const seed = 4
	g := generator{rand.New(rand.NewPCG(seed, seed)), d}
	listing := []string{"-a", "--digests", "--no-trunc", "--format", "{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}"}
	done := map[string]int{}
	id := func(name string) string { return strings.TrimSpace(d.docker("images", "-q", "--no-trunc", name)) }
	lines := [][]string{
		{id("built:1")}, {id("scratch:1")}, {id("tool:v1")}, {"built:1"}, {"built:child"}, {"-f", "no/such:image"}, {"no/such:image", "tiny"},
	}
	for range 60 {
		lines = append(lines, nil) // made up when it is its turn
	}
	for _, args := range lines {
		if args == nil {
			args = g.removal()
		}
		args = append([]string{"image", "rm"}, args...)
		theirs := finish(t, d.command(args...))
		ours := p.run(args...)
		if ours.code != theirs.code || ours.stdout != theirs.stdout || reasons(ours.stderr) != reasons(theirs.stderr) {
			t.Fatalf("%q\ngot %d\n%s%s\nwant %d\n%s%s", args, ours.code, ours.stdout, ours.stderr, theirs.code, theirs.stdout, theirs.stderr)
		}
		for _, word := range []string{"Untagged:", "Deleted:"} {
			done[word] += strings.Count(ours.stdout, word)
		}
		done[why(ours.stderr)]++
		got, want := lineSet(p.ok(append([]string{"image", "ls"}, listing...)...)), lineSet(d.docker(append([]string{"images"}, listing...)...))
		if !slices.Equal(got, want) {
			t.Fatalf("after %q\n%s\nwant\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	t.Log(done)
	for _, word := range []string{"Untagged:", "Deleted:", "dependent child", "stopped container", "multiple repositories", "repository reference", "o such image"} {
		if done[word] == 0 {
			t.Errorf("no removal came upon %q", word)
		}
	}
}

// removal is what follows `docker image rm`.
func (g generator) removal() []string {
	var args []string
	if g.IntN(4) == 0 {
		args = append(args, "--force")
	}
	if g.IntN(4) == 0 {
		args = append(args, "--no-prune")
	}
	for range 1 + g.IntN(2) {
		args = append(args, g.named())
	}
	return args
}

// named is an image that there is, by name, digest or ID, or one that there
// is not.
func (g generator) named() string {
	lines := lineSet(g.d.docker("images", "-a", "--digests", "--no-trunc", "--format", "{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}"))
	if len(lines) == 0 || g.IntN(12) == 0 {
		return "no/such:image"
	}
	f := strings.Fields(lines[g.IntN(len(lines))])
	id, repo, tag, sum := f[0], f[1], f[2], f[3]
	switch {
	case g.IntN(3) == 0 || tag == "<none>" && sum == "<none>":
		return pick(g, id, id[7:], id[7:19], id[:20])
	case tag == "<none>" || sum != "<none>" && g.IntN(3) == 0:
		return repo + "@" + sum
	}
	return repo + ":" + tag
}

// why is the reason for a refusal.
func why(stderr string) string {
	for _, reason := range []string{"dependent child", "stopped container", "multiple repositories", "repository reference", "o such image"} {
		if strings.Contains(stderr, reason) {
			return reason
		}
	}
	return ""
}

// oneOf is the container that docker names by chance of several.
var oneOf = regexp.MustCompile(`container [0-9a-f]{12}`)

// reasons is what both programs say alike of what was refused.
func reasons(stderr string) string {
	var all []string
	for line := range strings.Lines(stderr) {
		line = oneOf.ReplaceAllString(strings.TrimSpace(line), "container")
		for _, start := range []string{"conflict: ", "o such image: "} {
			if i := strings.Index(line, start); i >= 0 {
				line = line[i:]
			}
		}
		if !slices.Contains(all, line) { // docker says it for each argument
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}
