package main

import (
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/cmd/host/render"
	"github.com/bulkhead/bulkhead/image"
)

// imageShape is how a listing of images is to look.
type imageShape struct{ digests, full bool }

func (s imageShape) table() render.Table {
	t := render.Table{
		Fields: []string{"Repository", "Tag", "ID", "CreatedSince", "Size"},
		Headers: map[string]string{
			"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID", "CreatedSince": "CREATED",
			"CreatedAt": "CREATED AT", "Size": "SIZE", "VirtualSize": "SIZE", "SharedSize": "SHARED SIZE",
			"UniqueSize": "UNIQUE SIZE", "Containers": "CONTAINERS", "Error": "ERROR",
		},
	}
	if s.digests {
		t.Fields = slices.Insert(t.Fields, 2, "Digest")
	}
	return t
}

// rows are Docker's: one for each name of an image, one for an image without.
func (s imageShape) rows(images []image.Summary) []render.Row {
	var rows []render.Row
	now := time.Now()
	for _, img := range images {
		for _, name := range s.names(img) {
			row := s.row(img, now)
			row["Repository"], row["Tag"], row["Digest"] = name.repository, name.tag, name.digest
			rows = append(rows, row)
		}
	}
	return rows
}

func (s imageShape) row(img image.Summary, now time.Time) render.Row {
	row := render.Row{
		"ID": shortID(img.ID.String(), s.full), "CreatedSince": "N/A", "CreatedAt": "N/A", "Size": "N/A", "VirtualSize": "N/A",
		"SharedSize": "N/A", "UniqueSize": "N/A", "Containers": "N/A", "Error": "",
	}
	if img.Err != nil {
		row["CreatedSince"], row["Error"] = "corrupt", img.Err.Error()
		return row
	}
	row["CreatedSince"] = render.Ago(img.Created, now)
	row["CreatedAt"] = render.Time(img.Created)
	row["Size"] = render.Size(img.Size)
	row["VirtualSize"] = row["Size"]
	return row
}

type imageName struct{ repository, tag, digest string }

// names pairs the tags of each repository with its digests.
func (s imageShape) names(img image.Summary) []imageName {
	digests := map[string][]string{}
	var order []string
	for _, d := range img.RepoDigests {
		repo, digest, _ := strings.Cut(d, "@")
		if digests[repo] == nil {
			order = append(order, repo)
		}
		digests[repo] = append(digests[repo], digest)
	}
	tagged := map[string]bool{}
	var names []imageName
	for _, t := range img.RepoTags {
		at := strings.LastIndex(t, ":")
		repo, tag := t[:at], t[at+1:]
		tagged[repo] = true
		paired := digests[repo]
		if !s.digests || len(paired) == 0 {
			paired = []string{image.None}
		}
		for _, d := range paired {
			names = append(names, imageName{repo, tag, d})
		}
	}
	for _, repo := range order {
		if tagged[repo] {
			continue
		}
		for _, d := range digests[repo] {
			names = append(names, imageName{repo, image.None, d})
		}
	}
	if names == nil {
		names = []imageName{{image.None, image.None, image.None}}
	}
	return names
}

// shortID shortens a digest to what tables show, unless it is wanted in
// full.
func shortID(id string, full bool) string {
	if full || id == "" {
		return id
	}
	return image.ID(id).Short()
}
