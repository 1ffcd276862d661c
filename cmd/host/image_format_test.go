package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/image"
)

// The golden files were compared with docker 20.10's output where Docker has
// the same; e2e compares a real one.
func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed: got\n%s", name, got)
	}
}

// inUTC makes times that are shown in local time the same everywhere, and
// returns one.
func inUTC(t *testing.T) time.Time {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	return time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
}

func TestListingsLookAsInTheGoldenFile(t *testing.T) {
	now := inUTC(t)
	id := func(digit string) image.ID { return image.ID("sha256:" + strings.Repeat(digit, 64)) }
	sum := func(digit string) string { return "@sha256:" + strings.Repeat(digit, 64) }
	images := []image.Summary{
		{
			ID: id("1"), Parent: id("5"), RepoTags: []string{"app:1", "app:latest", "host:5000/team/app:1"}, RepoDigests: []string{"app" + sum("a"), "pulled" + sum("b")},
			Created: now.Add(-50 * time.Hour), Size: 1_234_567, SharedSize: 1_000_000, Containers: 2,
		},
		{ID: id("2"), Created: now.Add(-90 * time.Second), Size: 999_999, SharedSize: image.Unknown, Containers: image.Unknown},
		{ID: id("3"), RepoTags: []string{"undated:1"}, Size: 0, SharedSize: 0},
		{ID: id("4"), RepoTags: []string{"bad:1"}, Size: image.Unknown, SharedSize: image.Unknown, Containers: image.Unknown, Err: errors.New("it is <bad>")},
	}
	var out bytes.Buffer
	for _, s := range []imageShape{
		{}, {format: "table", full: true}, {digests: true}, {usage: true}, {usage: true, digests: true}, {quiet: true},
		{format: "raw"}, {format: "raw", digests: true}, {format: "raw", quiet: true},
		{format: "json"}, {format: "{{json .}}"}, {format: "{{.Repository}} {{.Digest}}"}, {format: "{{.Repository}} {{.Digest}}", digests: true},
		{format: "{{.Repository}} {{ .Digest }}"}, {format: `table {{.ID}}\t{{upper .Repository}}`, digests: true},
		{format: "table {{.ParentID}}\t{{.Error}}\t{{json .Tag}}"}, {format: "{{.Tag}}", quiet: true},
	} {
		fmt.Fprintf(&out, "%+v\n", s)
		if err := s.write(&out, images, now); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	golden(t, "image_ls.golden", out.String())
}

func TestHistoriesLookAsInTheGoldenFile(t *testing.T) {
	now := inUTC(t)
	steps := []image.HistoryStep{
		{ID: image.ID("sha256:" + strings.Repeat("1", 64)), Created: now.Add(-time.Hour), CreatedBy: "RUN\tmake <all>", Comment: "why", Size: 12345},
		{Created: now.Add(-24 * time.Hour), CreatedBy: strings.Repeat("long ", 10), Empty: true},
		{Created: now.Add(-240 * time.Hour), CreatedBy: strings.Repeat("漢字", 12), Size: 1},
	}
	var out bytes.Buffer
	for _, s := range []historyShape{
		{human: true}, {}, {human: true, full: true}, {quiet: true}, {quiet: true, full: true}, {format: "json", human: true}, {format: "{{.ID}}|{{.CreatedSince}}", quiet: true},
	} {
		fmt.Fprintf(&out, "%+v\n", s)
		if err := s.write(&out, steps, now); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	golden(t, "image_history.golden", out.String())
}

func TestListingCommandTakesDockersFlags(t *testing.T) {
	c := newCLI(t)
	c.args = append(c.args, "--driver", "vfs")
	path, id := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	c.good("image", "tag", "app:1", "team/app:2")
	for line, want := range map[string]string{
		"ls -q":                              id[7:19] + "\n" + id[7:19] + "\n",
		"ls -q --no-trunc app":               id + "\n",
		"ls -q -f reference=*/app -f label=": "",
		"ls --format {{.Repository}} -f dangling=false": "app\nteam/app\n",
		"ls -q -f dangling=true":                        "",
		"ls -q -f size>1MB":                             "",
		"ls -aq -f size<1MB -f until=2024-02-01 app:1":  id[7:19] + "\n",
		"ls -q -f driver=vfs -f before=" + id[7:12]:     "",
		"ls --usage --format {{.Containers}} team/app":  "0\n",
		"ls -q -f driver=other":                         "",
	} {
		if out := c.good(append([]string{"image"}, strings.Fields(line)...)...); out != want {
			t.Errorf("%s: %q, want %q", line, out, want)
		}
	}
	c.bad(exitUsage, "known are before, dangling", "image", "ls", "-f", "colour=red")
	c.bad(exitUsage, "true or false", "image", "ls", "--filter", "dangling=maybe")
	c.bad(exitUsage, "invalid filter", "image", "ls", "[a-")
	c.bad(exitFailed, "no such image: gone", "image", "ls", "-f", "since=gone")
	newCLI(t).bad(exitFailed, `driver "nope" is not known`, "image", "ls", "-f", "driver=nope")
	c.bad(exitUsage, "Nope", "image", "ls", "--format", "{{.Nope}}", "none-such")
}

func TestForcedRemovalOfNothingIsToldAndNoFailure(t *testing.T) {
	c := newCLI(t)
	c.args = append(c.args, "--driver", "vfs")
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	out, errs, code := c.do("image", "rmi", "-f", "gone:1", "app:1")
	if code != exitOK || errs != "bulkhead: no such image: gone:1\n" || !strings.HasPrefix(out, "Untagged: app:1\nDeleted: ") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

func TestInspectionOfNothingIsAnEmptyAnswer(t *testing.T) {
	c := newCLI(t)
	c.args = append(c.args, "--driver", "vfs")
	path, _ := c.archive("app:1", "hello")
	c.good("image", "load", "-i", path)
	for format, want := range map[string]string{"": "[]\n", "{{.Id}}": "\n"} {
		out, errs, code := c.do("image", "inspect", "-f", format, "gone:1")
		if code != exitFailed || out != want || errs != "bulkhead: no such image: gone:1\n" {
			t.Errorf("%q: %d, %q, %q", format, code, out, errs)
		}
	}
}
