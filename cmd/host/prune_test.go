package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

func TestPruneTakesWhatNothingUsesAndAsksFirst(t *testing.T) {
	c := newCLI(t)
	one, oneID := c.archive("one:1", "one")
	two, twoID := c.archive("one:1", "two") // takes the name
	three, _ := c.archive("three:1", "three")
	for _, p := range []string{one, two, three} {
		c.good("--driver", "vfs", "image", "load", "-q", "-i", p)
	}
	c.good("layer", "create", "--parent", "three:1", "box")
	out, errs, code := c.doWith(io.NopCloser(strings.NewReader("n\n")), "image", "prune")
	if code != exitOK || errs != "" || !strings.Contains(out, "[y/N]") || !strings.Contains(c.good("image", "ls", "-a", "-q", "--no-trunc"), oneID) {
		t.Errorf("no: %q %q %d", out, errs, code)
	}
	out, _, _ = c.doWith(io.NopCloser(strings.NewReader("y\n")), "image", "prune")
	if !strings.Contains(out, "deleted: "+oneID) || !strings.HasSuffix(out, "\nTotal reclaimed space: 3B\n") {
		t.Errorf("yes: %q", out)
	}
	if left := c.good("image", "ls", "-a", "-q", "--no-trunc"); strings.Contains(left, oneID) || !strings.Contains(left, twoID) {
		t.Errorf("left: %s", left)
	}
	if out := c.good("image", "prune", "-f", "-a", "--filter", "label=none"); out != "Total reclaimed space: 0B\n" {
		t.Errorf("filtered: %q", out)
	}
	out = c.good("image", "prune", "-f", "-a")
	if !strings.Contains(out, "untagged: one:1\n") || !strings.Contains(out, "deleted: "+twoID) || strings.Contains(out, "three") {
		t.Errorf("all: %q", out)
	}
	if left := c.good("image", "ls", "--format", "{{.Repository}}"); left != "three\n" {
		t.Errorf("a container's image: %q", left)
	}
	c.bad(exitUsage, "filter", "image", "prune", "-f", "--filter", "nonsense")
}

func TestSharesOfTheDiskAddUp(t *testing.T) {
	c := newCLI(t)
	rich := richArchive(t)
	one, _ := c.archive("one:1", "one")
	c.good("--driver", "vfs", "image", "load", "-q", "-i", rich)
	c.good("image", "load", "-q", "-i", one)
	c.good("image", "squash", "-t", "flat:1", "app:1")
	c.good("image", "tag", "app:1", "again:1")
	c.good("layer", "create", "--parent", "app:1", "box")
	c.good("layer", "commit", "-t", "more:1", "box") // shares app's layers
	sum := func(rows string) (n int64) {
		for _, field := range strings.Fields(rows) {
			v, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatalf("%q: %v", rows, err)
			}
			n += v
		}
		return n
	}
	layers := sum(c.good("layer", "ls", "--format", "{{.DiffSizeBytes}}"))
	total := sum(c.good("df", "--format", "{{if ne .Type \"Containers\"}}{{.Bytes}}{{end}}"))
	if layers == 0 || total != layers {
		t.Errorf("df says %d, the layers have %d", total, layers)
	}
	unique := sum(c.good("df", "-v", "--format", "{{.UniqueBytes}}"))
	shared := int64(0)
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(c.good("df", "-v", "--format", "{{.SharedBytes}} {{.SizeBytes}} {{.UniqueBytes}}")), "\n") {
		var s, size, u int64
		if _, err := fmt.Sscan(line, &s, &size, &u); err != nil || s+u != size {
			t.Errorf("%q: shared and unique are not the size (%v)", line, err)
		}
		if s > 0 && !seen[fmt.Sprint(s)] { // the two that share have the same layers in common
			seen[fmt.Sprint(s)] = true
			shared += s
		}
	}
	if unique+shared != total {
		t.Errorf("unique %d and shared %d do not come to %d", unique, shared, total)
	}
	if out := c.good("df"); !strings.HasPrefix(out, "TYPE            TOTAL     ACTIVE    SIZE") || !strings.Contains(out, "\nContainers      1         1 ") {
		t.Errorf("%s", out)
	}
}
