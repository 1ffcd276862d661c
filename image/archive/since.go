package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/input"
	"github.com/bulkhead/bulkhead/image/internal/jsonsize"
	"github.com/bulkhead/bulkhead/layer"
)

// annotationSince are, in the index of an archive without some of its layers,
// the images that have them: IDs and names.
const annotationSince = "io.github.bulkhead.since"

// since is what an archive leaves out.
type since struct {
	bases []*selected
	out   map[layer.DiffID]bool
}

// newSince finds the layers that the images share with others, which are named
// as for pick. A layer that an image has on top of others than they do is
// theirs by content alone, and is not left out: it would not be found.
func newSince(images *image.Store, saved []*selected, names []string) (*since, error) {
	s := &since{out: map[layer.DiffID]bool{}}
	if len(names) == 0 {
		return s, nil
	}
	var err error
	if s.bases, err = pick(images, names); err != nil {
		return nil, err
	}
	there := map[layer.ChainID]bool{}
	for _, base := range s.bases {
		for _, id := range base.img.Chain() {
			there[id] = true
		}
	}
	needed := map[layer.DiffID]bool{}
	for _, sel := range saved {
		for i, id := range sel.img.DiffIDs() {
			if there[sel.img.Chain()[i]] {
				s.out[id] = true
			} else {
				needed[id] = true
			}
		}
	}
	for id := range needed {
		delete(s.out, id)
	}
	return s, nil
}

// annotations tell whoever has the archive which images have the rest.
func (s *since) annotations() map[string]string {
	var all []string
	for _, base := range s.bases {
		text := base.img.ID.String()
		for _, name := range base.names {
			text += " " + reference.FamiliarString(name)
		}
		all = append(all, text)
	}
	if all == nil {
		return nil
	}
	return map[string]string{annotationSince: strings.Join(all, ", ")}
}

// MissingError tells which layers an archive leaves out that are not stored
// either. It wraps input.ErrRefused and input.ErrMissing.
type MissingError struct {
	Layers []layer.DiffID
	// Since is what the archive says of images that have them: IDs and names.
	Since string
}

func (e *MissingError) Error() string {
	const most = 8
	var ids []string
	for _, id := range e.Layers[:min(len(e.Layers), most)] {
		ids = append(ids, string(id))
	}
	if n := len(e.Layers) - most; n > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", n))
	}
	what, are, in := "a layer", "is", "which has it"
	if n := len(e.Layers); n > 1 {
		what, are, in = fmt.Sprintf("%d layers", n), "are", "which has them"
	}
	way := "get the whole archive"
	if e.Since != "" {
		way = fmt.Sprintf("first load %s, %s", e.Since, in)
	}
	return fmt.Sprintf("%v: %s %s neither in the archive nor stored (%s): %s", input.ErrRefused, what, are, strings.Join(ids, ", "), way)
}

// Unwrap makes errors.Is find what kind of error it is.
func (e *MissingError) Unwrap() []error { return []error{input.ErrRefused, input.ErrMissing} }

// absent finds the layers that the archive has not, and fails unless all of
// them are stored.
func (l *loader) absent(images []*planned) error {
	if l.opts.SkipStored {
		return nil // to look is to fetch
	}
	there := l.Layers.Map()
	missing, seen := &MissingError{}, map[layer.DiffID]bool{}
	for _, p := range images {
		for i, id := range p.config.DiffIDs() {
			f, err := l.in.OpenLinked(p.layers[i].name)
			if err == nil {
				err = f.Close()
			}
			if !errors.Is(err, input.ErrMissing) {
				continue // that it cannot be read is told when it is
			}
			p.layers[i].absent = true
			if there[p.config.Chain()[i]] == nil && !seen[id] {
				seen[id] = true
				missing.Layers = append(missing.Layers, id)
			}
		}
	}
	if missing.Layers == nil {
		return nil
	}
	missing.Since = saidSince(l.in, l.opts.Limits)
	return missing
}

// saidSince is what the archive says of images that have what it leaves out,
// "" if nothing that could be shown.
func saidSince(in input.Archive, limits Limits) string {
	data, err := readDocument(in, "index.json", limits.Manifest)
	if err != nil || jsonsize.Check(data) != nil {
		return ""
	}
	var index struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(data, &index) != nil {
		return ""
	}
	said := index.Annotations[annotationSince]
	if len(said) > 1000 || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return said
}
