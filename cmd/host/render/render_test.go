package render_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/cmd/host/render"
)

func TestSizesAreDockers(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 5: "5B", 999: "999B", 1000: "1kB", 1270000: "1.27MB", 158000000: "158MB", 1500000000: "1.5GB", 2e15: "2PB"} {
		if got := render.Size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

func TestAgesAreDockers(t *testing.T) {
	now := time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "Less than a second ago", time.Second: "1 second ago", 59 * time.Second: "59 seconds ago", 90 * time.Second: "About a minute ago",
		50 * time.Minute: "50 minutes ago", 65 * time.Minute: "About an hour ago", 5 * time.Hour: "5 hours ago", 49 * time.Hour: "2 days ago",
		20 * 24 * time.Hour: "2 weeks ago", 100 * 24 * time.Hour: "3 months ago", 800 * 24 * time.Hour: "2 years ago",
	} {
		if got := render.Ago(now.Add(-d), now); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := render.Ago(now.Add(-1500*time.Millisecond), now.Add(400*time.Millisecond)); got != "2 seconds ago" {
		t.Errorf("parts of a second count: %q", got)
	}
}

var table = render.Table{Fields: []string{"A", "B"}, Headers: map[string]string{"A": "FIRST", "B": "SECOND", "C": "THIRD"}, Extra: []string{"C"}}

func TestFormats(t *testing.T) {
	rows := []render.Row{{"A": "1", "B": "<x>", "C": "3"}}
	for format, want := range map[string]string{
		"":                     "FIRST     SECOND\n1         <x>\n",
		"table":                "FIRST     SECOND\n1         <x>\n",
		"table {{.C}}\t{{.A}}": "THIRD     FIRST\n3         1\n",
		`table {{.C}}\t{{.A}}`: "THIRD     FIRST\n3         1\n",
		"{{.C}}-{{upper .B}}":  "3-<X>\n",
		"json":                 `{"A":"1","B":"\u003cx\u003e","C":"3"}` + "\n",
		"{{json .}}":           `{"A":"1","B":"\u003cx\u003e"}` + "\n",
		"{{json .B}}":          `"<x>"` + "\n",
		"table {{upper .B}}|{{pad .A 1 2}}|{{json .}}": "SECOND| FIRST  |\n<X>| 1  |{\"A\":\"1\",\"B\":\"\\u003cx\\u003e\"}\n",
		"{{json .A}} {{pad .A 1 2}}|":                  `"1"  1  |` + "\n",
	} {
		var out strings.Builder
		if err := table.Write(&out, format, rows); err != nil || out.String() != want {
			t.Errorf("%q writes %q (%v), want %q", format, out.String(), err, want)
		}
	}
	for _, format := range []string{"{{.D}}", "{{", "{{nothing .A}}", "table {{.D}}"} {
		var bad *render.FormatError
		if err := table.Write(&strings.Builder{}, format, nil); !errors.As(err, &bad) {
			t.Errorf("%q: %v", format, err)
		}
	}
}

func TestInspectTakesNamesOfGoAndOfJSON(t *testing.T) {
	v := struct {
		ID   string `json:"Id"`
		Size int64
	}{"x", 1 << 60}
	for _, format := range []string{"{{.ID}} {{.Size}}", "{{.Id}} {{.Size}}"} {
		var out strings.Builder
		if err := render.Each(&out, format, []any{v}); err != nil || out.String() != "x 1152921504606846976\n" {
			t.Errorf("%s: %q, %v", format, out.String(), err)
		}
	}
	if err := render.Each(&strings.Builder{}, "{{.Nothing}}", []any{v}); err == nil {
		t.Error("an unknown field was taken")
	}
}
