package image

import (
	"slices"
	"time"

	"github.com/distribution/reference"

	"github.com/bulkhead/bulkhead/layer"
)

// HistoryStep is one step of how an image was made.
type HistoryStep struct {
	// ID is the image that the step resulted in, "" where it is not known
	// (Docker shows <missing>).
	ID        ID `json:"Id"`
	Created   time.Time
	CreatedBy string
	Comment   string
	Tags      []string // familiar references of that image, sorted
	// Size is that of the layer that the step made, 0 if it made none.
	Size  int64
	Empty bool // the step made no layer
}

// History tells how an image was made, last step first, as its configuration
// has it. (moby daemon/images/image_history.go.)
func (s *Store) History(id ID) ([]HistoryStep, error) {
	img, err := s.Get(id)
	if err != nil {
		return nil, err
	}
	top, err := s.Layer(id)
	if err != nil {
		return nil, err
	}
	sizes := diffSizes(top)
	var steps []HistoryStep
	for _, h := range img.History {
		step := HistoryStep{CreatedBy: h.CreatedBy, Comment: h.Comment, Empty: h.EmptyLayer}
		if h.Created != nil {
			step.Created = *h.Created
		}
		if !h.EmptyLayer {
			step.Size, sizes = sizes[0], sizes[1:]
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	s.nameSteps(img, steps)
	return steps, nil
}

// diffSizes are the sizes of top and the layers beneath it, lowest first.
func diffSizes(top layer.Layer) []int64 {
	var sizes []int64
	for l := top; l != nil; l = l.Parent() {
		sizes = append(sizes, l.DiffSize())
	}
	slices.Reverse(sizes)
	return sizes
}

// nameSteps fills in IDs and tags as far down as parents are known.
func (s *Store) nameSteps(img *Image, steps []HistoryStep) {
	for i := range steps {
		steps[i].ID = img.ID
		for _, ref := range s.References(img.ID) {
			if _, ok := ref.(reference.NamedTagged); ok {
				steps[i].Tags = append(steps[i].Tags, reference.FamiliarString(ref))
			}
		}
		parent, err := s.Get(img.Parent)
		if err != nil {
			return
		}
		img = parent
	}
}
