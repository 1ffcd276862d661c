package filter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image/filter"
)

var now = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// matcher knows one image by the name "then", created a day ago, and "zero",
// of which nobody knows when.
func matcher(t *testing.T, conditions ...string) *filter.Matcher {
	t.Helper()
	f, err := filter.Parse(conditions...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.Matcher(now, func(name string) (time.Time, error) {
		return map[string]time.Time{"then": now.Add(-24 * time.Hour), "now": now}[name], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConditionsHoldAsDockersAndOurs(t *testing.T) {
	image := filter.Facts{
		Created: now.Add(-time.Hour), Size: 1_500_000, Driver: "vfs",
		Labels: map[string]string{"a": "1", "b": "", "c": "x=y"},
		Layers: []string{"sha256:" + strings.Repeat("ab", 32), "sha256:" + strings.Repeat("cd", 32)},
	}
	for text, want := range map[string]bool{
		"":                        true,
		"label=a":                 true,
		"label=a=1":               true,
		"LABEL = a=1 ":            true,
		"label=a=2":               false,
		"label=b=":                true,
		"label=c=x=y":             true,
		"label=d":                 false,
		"label=":                  false,
		"label=a;label=b":         true,
		"label=a;label=d":         false,
		"before=now":              true,
		"before=then":             false,
		"before=now;before=then":  false,
		"before=zero":             false,
		"before=zero;before=now":  false,
		"since=then":              true,
		"since=zero":              true,
		"since=now":               false,
		"since=then;since=now":    false,
		"until=30m":               true,
		"until=2h":                false,
		"until=2024-05-05":        false,
		"until=2024-05-07Z":       true,
		"until=2024-05-06T06:09Z": true,
		"until=1714979288":        true,
		"until=1714000000.5":      false,
		"size>1MB":                true,
		"size>1.5MB":              false,
		"size>=1.5MB":             true,
		"size<1500001":            true,
		"size <= 1kb":             false,
		"size=1.5mb":              true,
		"size=>1MB":               true,
		"size>1MiB;size<2MiB":     true,
		"size>1MiB;size<1.2MB":    false,
		"layer=ab":                true,
		"layer=sha256:cdcd":       true,
		"layer=abc":               false,
		"layer=ab;layer=cd":       true,
		"layer=ab;layer=ef":       false,
		"driver=vfs":              true,
		"driver=other":            false,
		"driver=other;driver=vfs": true,
	} {
		if got := matcher(t, strings.Split(text, ";")...).Image(image); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestReferenceMatchesWholeNameOrRepository(t *testing.T) {
	ref, err := reference.ParseNormalizedNamed("team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"label=x": true, "reference=team/app": true, "reference=team/app:1": true, "reference=*/a?p:[0-9]": true, "reference=no;reference=team/*": true,
		"reference=*": false, "reference=": false, "reference=docker.io/team/app": false, "reference=app": false,
	} {
		if got := matcher(t, strings.Split(text, ";")...).Name(ref); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestWhatIsNoFilterIsToldWithTheWayOut(t *testing.T) {
	for text, says := range map[string]string{
		"colour=red":       "before, dangling, driver, label, layer, reference, since, size, until",
		"dangling":         "KEY=VALUE",
		"label>1":          "KEY=VALUE",
		"dangling=1":       "true or false",
		"dangling=True":    "true or false",
		"reference=[a-":    "syntax error",
		"before=":          "name an image",
		"until=tomorrow":   "duration",
		"until=NaN":        "duration",
		"size>big":         "100MB",
		"size>-1":          "100MB",
		"size=":            "100MB",
		"size><1":          "none of",
		"size>1EB":         "100MB",
		"size>99999999PB":  "100MB",
		"size=NaN":         "100MB",
		"layer=":           "diff ID",
		"layer=xyz":        "diff ID",
		"layer=sha512:abc": "diff ID",
		"driver=":          "driver",
		"=x":               "known are",
	} {
		_, err := filter.Parse(text)
		if !errors.Is(err, filter.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestNamedImageThatIsNotThereIsAnError(t *testing.T) {
	f, err := filter.Parse("since=gone")
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	if _, err := f.Matcher(now, func(string) (time.Time, error) { return time.Time{}, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}

func TestDanglingTrueWinsAndValuesAreASet(t *testing.T) {
	f, err := filter.Parse("dangling=false", "dangling=true", "dangling=true")
	if err != nil || !f.OnlyDangling() || f.OnlyNamed() || len(f.Values(filter.Dangling)) != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	if !slices.IsSorted(filter.Keys()) {
		t.Error("keys are not sorted")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"size>=1.5GiB", "until=36h", "layer=sha256:ab", "label=a=b", "before=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := filter.Parse(text)
		if err != nil {
			if !errors.Is(err, filter.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		m, err := parsed.Matcher(now, func(string) (time.Time, error) { return now, nil })
		if err != nil {
			t.Fatalf("%q was taken and then refused: %v", text, err)
		}
		m.Image(filter.Facts{Created: now})
	})
}
