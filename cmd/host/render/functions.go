package render

import (
	"bytes"
	"encoding/json"
	"strings"
	"text/template"
	"unicode"
)

// functions are those that Docker's templates have.
func functions() template.FuncMap {
	return template.FuncMap{
		"json":     toJSON,
		"join":     strings.Join,
		"split":    strings.Split,
		"lower":    strings.ToLower,
		"upper":    strings.ToUpper,
		"title":    title,
		"pad":      pad,
		"truncate": truncate,
	}
}

// headerFunctions leave titles as they are; pad keeps what it does, so that
// they stand above their columns.
func headerFunctions() template.FuncMap {
	same := func(s string) string { return s }
	sameWith := func(s, _ string) string { return s }
	return template.FuncMap{
		"json": same, "lower": same, "upper": same, "title": same, "split": sameWith, "join": sameWith,
		"truncate": func(s string, _ int) string { return s },
	}
}

func toJSON(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(buf.String(), "\n"), err
}

// title makes the first letter of each word a capital. What is neither
// letter nor digit nor underscore ends a word, so that both parts of "a/b"
// are words.
func title(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		was := start
		start = separates(r)
		if was {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func separates(r rune) bool {
	if r <= unicode.MaxASCII {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.IsSpace(r)
}

func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

func truncate(s string, n int) string {
	if n >= 0 && len(s) > n {
		return s[:n]
	}
	return s
}
