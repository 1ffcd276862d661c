package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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
}

// Write writes rows in a format: "" or "table", "json" for one object a
// line, "table TEMPLATE" or TEMPLATE. A format that cannot be understood, or
// that names an unknown field, is an error, also without any rows.
func (t Table) Write(w io.Writer, format string, rows []Row) error {
	if format == "json" {
		for _, row := range rows {
			if err := line(w, row); err != nil {
				return err
			}
		}
		return nil
	}
	text, asTable := strings.CutPrefix(format, "table")
	if text = strings.TrimSpace(text); text == "" {
		asTable = true
		text = "{{." + strings.Join(t.Fields, "}}\t{{.") + "}}"
	}
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	tmpl, err := Template(text)
	if err != nil {
		return err
	}
	var header bytes.Buffer
	if err := tmpl.Execute(&header, t.Headers); err != nil {
		return formatError(err)
	}
	if !asTable {
		return lines(w, tmpl, rows)
	}
	tw := tabwriter.NewWriter(w, 10, 1, 3, ' ', 0)
	if _, err := fmt.Fprintln(tw, header.String()); err != nil {
		return err
	}
	if err := lines(tw, tmpl, rows); err != nil {
		return err
	}
	return tw.Flush()
}

func lines(out io.Writer, tmpl *template.Template, rows []Row) error {
	for _, row := range rows {
		if err := tmpl.Execute(out, row); err != nil {
			return formatError(err)
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}

func line(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
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
