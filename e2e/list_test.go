//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// compared is one command line, and what docker printed.
type compared struct {
	bulkhead []string
	want     string
	// groups are the lengths of runs of rows whose order is docker's chance:
	// of one image, or created in the same second.
	groups []int
}

func TestListingsAreDockers(t *testing.T) {
	t.Parallel()
	d := daemonWithImages(t)
	const seed = 20
	g := generator{rand.New(rand.NewPCG(seed, seed)), d}
	var cases []compared
	seen := map[string]bool{}
	for len(cases) < 200 {
		args := g.list()
		if !seen[fmt.Sprint(args)] {
			seen[fmt.Sprint(args)] = true
			cases = append(cases, compared{
				bulkhead: append([]string{"image", "ls"}, args...), want: d.docker(append([]string{"images"}, args...)...), groups: d.groups(args),
			})
		}
	}
	ids := lineSet(d.docker("images", "-a", "-q", "--no-trunc"))
	for _, id := range ids {
		for _, args := range [][]string{
			{"history", id}, {"history", "--no-trunc", id}, {"history", "-q", id}, {"history", "-H=false", id},
			{"history", "--format", "{{json .}}", id}, {"history", "--no-trunc", "--format", "table {{.CreatedAt}}\t{{upper .CreatedBy}}\t{{.Size}}", id},
			{"inspect", id}, {"inspect", "-f", "{{json .Config}} {{.Id}} {{.Os}} {{upper .Architecture}} {{.GraphDriver}}", id},
			{"inspect", "-f", "{{.RootFS}}|{{join .RepoTags \", \"}}|{{with .Config}}{{println .Env .Cmd .Healthcheck}}{{end}}|{{.ID}}|{{title .Parent}}|{{split .Created \"T\"}}", id},
		} {
			args = append([]string{"image"}, args...)
			cases = append(cases, compared{bulkhead: args, want: d.docker(args...)})
		}
	}
	all := append([]string{"image", "inspect"}, ids...)
	cases = append(cases, compared{bulkhead: all, want: d.docker(all...)})
	usage := d.docker("system", "df", "-v", "--format", `{{range .Images}}{{.ID}} {{.Containers}} {{.SharedSize}} {{.UniqueSize}} {{.VirtualSize}}{{println}}{{end}}`)
	d.stop()

	p := &program{t: t, root: d.root(), env: d.env}
	before := inodes(t, p.root)
	exact := 0
	for _, c := range cases {
		got := p.ok(c.bulkhead...)
		if got == c.want {
			exact++
		}
		if got, want := normal(got, c.groups), normal(c.want, c.groups); got != want {
			t.Errorf("%q\ngot\n%s\nwant\n%s", c.bulkhead, got, want)
		}
	}
	have := p.ok("image", "ls", "--usage", "--no-trunc", "--format", "{{.ID}} {{.Containers}} {{.SharedSize}} {{.UniqueSize}} {{.VirtualSize}}")
	if got, want := lineSet(have), lineSet(usage); !slices.Equal(got, want) {
		t.Errorf("usage\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if after := inodes(t, p.root); !slices.Equal(before, after) {
		t.Error("reading changed what lies beneath the root")
	}
	t.Logf("%d command lines compared, %d of them the same as they stand", len(cases), exact)
}

// lineSet are the different lines that are not empty, sorted.
func lineSet(s string) []string {
	lines := slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return l == "" })
	slices.Sort(lines)
	return slices.Compact(lines)
}

// generator makes command lines of `docker images`.
type generator struct {
	*rand.Rand
	d *daemon
}

func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

func (g generator) list() []string {
	var args []string
	for _, flag := range []string{"-a", "-q", "--digests", "--no-trunc"} {
		if g.IntN(4) == 0 {
			args = append(args, flag)
		}
	}
	for range g.IntN(4) {
		args = append(args, pick(g, "-f", "--filter"), g.condition(args))
	}
	if g.IntN(2) == 0 {
		format := g.format()
		if strings.HasPrefix(format, "table {{json .}}") { // a column after it would stand where the ages of all rows say
			args = slices.DeleteFunc(args, func(a string) bool { return a == "--digests" })
		}
		args = append(args, "--format", format)
	}
	if g.IntN(3) == 0 {
		args = append(args, g.pattern())
	}
	return args
}

// condition is one filter. Of several that name an image docker heeds one by
// chance, so that there is one of them at most.
func (g generator) condition(args []string) string {
	switch text := strings.Join(args, " "); pick(g, "dangling", "label", "reference", "before", "since") {
	case "dangling":
		return pick(g, "dangling=true", "dangling=false", "DANGLING = true")
	case "label":
		return "label=" + pick(g, "tier", "tier=web", "tier=db", "tier=built", "empty", "empty=", "x=y=z", "owner=a<b>", "none", "")
	case "before":
		if !strings.Contains(text, "before=") {
			return "before=" + g.image()
		}
	case "since":
		if !strings.Contains(text, "since=") {
			return "since=" + g.image()
		}
	}
	return "reference=" + g.pattern()
}

func (g generator) image() string {
	return pick(g, "app:1", "app", "docker.io/library/tool:v1", "team/app:1", "tiny", "undated:1", "told/everything:1", "built:1", "alias:stable", "nothing:here")
}

func (g generator) pattern() string {
	return pick(g, "app", "app:1", "app:*", "*", "*/*", "*/*/*", "t*", "*:1", "te?m/app", "[a-c]*", "[^a]*:*1", "registry.example.com:5000/*/*",
		"docker.io/library/app", "*pulled*", "127.0.0.1:*/pulled/app", "no-such", "built:child", `\app`)
}

func (g generator) format() string {
	field := func() string {
		return pick(g, ".ID", ".Repository", ".Tag", ".Digest", ".CreatedSince", ".CreatedAt", ".Size", ".VirtualSize", ".SharedSize", ".UniqueSize", ".Containers")
	}
	expression := func() string {
		f := field()
		shape := pick(g, "{{%s}}", "{{%s}}", "{{%s}}", "{{json %s}}", "{{upper %s}}", "{{lower %s}}", "{{title %s}}", "{{pad %s 1 2}}",
			`{{join (split %s "/") "_"}}`, `{{printf "%%q" %s}}`, "{{println %s}}", `{{if eq %s "latest"}}L{{else}}-{{end}}`, "{{truncate %s 5}}", "{{len %s}}")
		if f == ".CreatedSince" && (strings.Contains(shape, "len") || strings.Contains(shape, "truncate")) {
			shape = "{{%s}}" // what is left of an age could not be told from another
		}
		return fmt.Sprintf(shape, f)
	}
	switch g.IntN(6) {
	case 0:
		return pick(g, "table", "raw", "{{json .}}", "table {{json .}}", "just text")
	}
	var parts []string
	for range 1 + g.IntN(4) {
		parts = append(parts, expression())
	}
	if g.IntN(2) == 0 {
		return "table " + strings.Join(parts, pick(g, "\t", `\t`))
	}
	return strings.Join(parts, pick(g, " ", "|", `\n`))
}

// groups counts the rows of images that were created in the same second.
func (d *daemon) groups(args []string) []int {
	format := "{{.CreatedAt}}"
	companion := slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "-q" })
	if i := slices.Index(companion, "--format"); i >= 0 {
		if strings.Contains(companion[i+1], "{{.Digest}}") {
			format += " {{/* {{.Digest}} */}}"
		}
		companion[i+1] = format
	} else {
		companion = append([]string{"--format", format}, companion...)
	}
	var groups []int
	last := ""
	for line := range strings.Lines(d.docker(append([]string{"images"}, companion...)...)) {
		if line != last {
			groups = append(groups, 0)
		}
		groups[len(groups)-1]++
		last = line
	}
	return groups
}

// ages are what docker says of times. The young ones change while the test
// runs, and with them the width of their column.
var (
	ages  = regexp.MustCompile(`(?i)((?:less than a second|about an? \w+|\d+ \w+) ago|CREATED|N/A) *`)
	young = regexp.MustCompile(`(?i)(less than a second|about a minute|\d+ (seconds?|minutes)) ago`)
)

// normal is what has to be the same: young ages are taken for equal, and what
// docker orders by chance is sorted.
func normal(out string, groups []int) string {
	if young.MatchString(out) {
		out = young.ReplaceAllString(ages.ReplaceAllString(out, "$1 "), "young ago")
	}
	rows := 0
	for _, n := range groups {
		rows += n
	}
	lines := strings.SplitAfter(strings.TrimSuffix(out, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	if rows == 0 || len(lines) < rows {
		return out
	}
	// Rows may have several lines each; a header is one.
	per := len(lines) / rows
	at := len(lines) - per*rows
	for _, n := range groups {
		group := lines[at : at+n*per]
		var rows []string
		for chunk := range slices.Chunk(group, per) {
			rows = append(rows, strings.Join(chunk, ""))
		}
		slices.Sort(rows)
		copy(group, strings.SplitAfter(strings.Join(rows, ""), "\n"))
		at += n * per
	}
	return strings.Join(lines, "")
}

// inodes lists everything beneath a directory with its times.
func inodes(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		list = append(list, fmt.Sprint(path, st.Ino, st.Mode, st.Size, st.Nlink, st.Mtim, st.Ctim))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
