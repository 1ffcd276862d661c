package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/tabwriter"
	"text/template"
)

// Row is one line: the values of its fields.
type Row = map[string]string

// Table is a kind of listing.
type Table struct {
	// Fields are the columns, in order.
	Fields []string
	// Headers are the titles of all fields that a format may use.
	Headers map[string]string
	// Extra are fields that Docker does not have and that {{json .}} leaves
	// out, as programs compare it. The format json has them.
	Extra []string
}

// Write writes rows in a format: "" or "table", "json" for one object a
// line, "table TEMPLATE" or TEMPLATE. A format that cannot be understood, or
// that names an unknown field, is an error, also without any rows, and
// nothing is written then. (docker cli/command/formatter.)
func (t Table) Write(w io.Writer, format string, rows []Row) error {
	if format == "json" {
		t.Extra = nil
		format = "{{json .}}"
	}
	text, asTable := strings.CutPrefix(format, "table")
	if text = strings.Trim(text, " "); text == "" {
		asTable = true
		text = "{{." + strings.Join(t.Fields, "}}\t{{.") + "}}"
	}
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	tmpl, err := Template(text)
	if err != nil {
		return err
	}
	body, err := t.body(tmpl.Funcs(template.FuncMap{"json": t.json}), rows)
	if err != nil {
		return err
	}
	if !asTable {
		_, err := w.Write(body)
		return err
	}
	var header bytes.Buffer
	// What has no title, such as {{json .}}, has none in Docker either.
	_ = tmpl.Funcs(headerFunctions()).Execute(&header, t.Headers)
	var aligned bytes.Buffer // a tabwriter writes cell by cell
	tw := tabwriter.NewWriter(&aligned, 10, 1, 3, ' ', 0)
	if _, err := fmt.Fprintf(tw, "%s\n%s", header.Bytes(), body); err != nil {
		return err
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = w.Write(aligned.Bytes())
	return err
}

// json is the function of templates. Of a whole row it escapes "<" and its
// like, of anything else it does not: so does Docker's.
func (t Table) json(v any) (string, error) {
	row, ok := v.(Row)
	if !ok {
		return toJSON(v)
	}
	row = maps.Clone(row)
	for _, field := range t.Extra {
		delete(row, field)
	}
	text, err := json.Marshal(row)
	return string(text), err
}

func (t Table) body(tmpl *template.Template, rows []Row) ([]byte, error) {
	var body bytes.Buffer
	for _, row := range rows {
		if err := tmpl.Execute(&body, row); err != nil {
			return nil, formatError(err)
		}
		body.WriteByte('\n')
	}
	if len(rows) > 0 {
		return body.Bytes(), nil
	}
	// A template may do with real values what it cannot do with titles; but
	// whether it names unknown fields does not depend on them.
	if err := tmpl.Execute(io.Discard, t.Headers); err != nil && strings.Contains(err.Error(), "map has no entry for key") {
		return nil, formatError(err)
	}
	return nil, nil
}

// Template parses a template with Docker's functions. A field that is not
// there fails its execution.
func Template(text string) (*template.Template, error) {
	tmpl, err := template.New("format").Option("missingkey=error").Funcs(functions()).Parse(text)
	if err != nil {
		return nil, formatError(err)
	}
	return tmpl, nil
}

// FormatError is a --format that cannot be used.
type FormatError struct{ Cause error }

func (e *FormatError) Error() string { return "format: " + e.Cause.Error() }

func (e *FormatError) Unwrap() error { return e.Cause }

func formatError(err error) error { return &FormatError{Cause: err} }

// JSON writes one indented document, as inspect does.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	return enc.Encode(v)
}
