package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/template"
)

// Each writes values by a template, one a line; "json" is a template for
// JSON. Fields go by their names in Go, or else by those in JSON, as Docker's
// inspect has it ({{.ID}} and {{.Id}} are the same).
func Each(w io.Writer, format string, values []any) error {
	if format == "json" {
		format = "{{json .}}"
	}
	tmpl, err := Template(format)
	if err != nil {
		return err
	}
	for _, v := range values {
		text, err := execute(tmpl, v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

func execute(tmpl *template.Template, v any) ([]byte, error) {
	var typed bytes.Buffer
	first := tmpl.Execute(&typed, v)
	if first == nil {
		return typed.Bytes(), nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var raw any
	if err := dec.Decode(&raw); err != nil {
		return nil, err
	}
	var byName bytes.Buffer
	if err := tmpl.Execute(&byName, raw); err != nil {
		return nil, formatError(first)
	}
	return byName.Bytes(), nil
}
