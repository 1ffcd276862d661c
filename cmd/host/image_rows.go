package main

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
)

// imageShape is how a listing of images is to look.
type imageShape struct {
	format                      string
	quiet, digests, full, usage bool
}

func (s imageShape) write(w io.Writer, images []image.Summary, now time.Time) error {
	var rows []render.Row
	// As in Docker, {{ .Digest }} with spaces does not ask for digests.
	digests := s.digests || strings.Contains(s.template(), "{{.Digest}}")
	for _, img := range images {
		for _, entry := range img.Entries(digests, s.digests) {
			row := s.row(img, now)
			row["Repository"], row["Tag"], row["Digest"] = entry.Repository, entry.Tag, entry.Digest
			rows = append(rows, row)
		}
	}
	return imageTable().Write(w, s.template(), rows)
}

func imageTable() render.Table {
	return render.Table{
		Headers: map[string]string{
			"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID", "CreatedSince": "CREATED",
			"CreatedAt": "CREATED AT", "Size": "SIZE", "VirtualSize": "SIZE", "SharedSize": "SHARED SIZE",
			"UniqueSize": "UNIQUE SIZE", "Containers": "CONTAINERS", "ParentID": "PARENT", "Error": "ERROR",
		},
		Extra: []string{"ParentID", "Error"},
	}
}

// template is the format in full. What it abbreviates, and that --quiet
// counts for those only, is Docker's. (docker cli/command/formatter.)
func (s imageShape) template() string {
	switch s.format {
	case "", "table":
		if s.quiet {
			return "{{.ID}}"
		}
		return s.columns()
	case "raw":
		if s.quiet {
			return "image_id: {{.ID}}"
		}
		digest := ""
		if s.digests {
			digest = "digest: {{.Digest}}\n"
		}
		return "repository: {{.Repository}}\ntag: {{.Tag}}\n" + digest + "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
	}
	if strings.HasPrefix(s.format, "table") && s.digests && !strings.Contains(s.format, "{{.Digest}}") {
		return s.format + "\t{{.Digest}}"
	}
	return s.format
}

func (s imageShape) columns() string {
	text := "table {{.Repository}}\t{{.Tag}}\t"
	if s.digests {
		text += "{{.Digest}}\t"
	}
	text += "{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t"
	if s.usage {
		return text + "{{.VirtualSize}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}"
	}
	return text + "{{.Size}}"
}

func (s imageShape) row(img image.Summary, now time.Time) render.Row {
	row := render.Row{
		"ID": shortID(img.ID.String(), s.full), "ParentID": shortID(img.Parent.String(), s.full),
		"CreatedAt": render.Time(img.Created), "CreatedSince": "", "Size": render.Size(img.Size), "VirtualSize": render.LongSize(img.Size),
		"SharedSize": render.LongSize(img.SharedSize), "UniqueSize": render.LongSize(img.UniqueSize()),
		"Containers": render.NotKnown, "Error": "",
	}
	if img.Containers != image.Unknown {
		row["Containers"] = strconv.Itoa(img.Containers)
	}
	switch {
	case img.Err != nil:
		row["CreatedSince"], row["CreatedAt"], row["Error"] = "corrupt", render.NotKnown, img.Err.Error()
	case !img.Created.IsZero():
		row["CreatedSince"] = render.Ago(img.Created, now)
	}
	return row
}

// shortID shortens a digest to what tables show, unless it is wanted in
// full.
func shortID(id string, full bool) string {
	if full || id == "" {
		return id
	}
	return image.ID(id).Short()
}
