package v1

import "context"

// Map returns all images that can be used, by ID.
func (g *Graph) Map(ctx context.Context) (map[string]*Image, error) {
	images := map[string]*Image{}
	for _, id := range g.index.all() {
		img, err := g.Get(ctx, id)
		if cerr := ctx.Err(); cerr != nil {
			return nil, cerr
		}
		if err == nil {
			images[id] = img
		}
	}
	return images, nil
}

// ByParent lists the children of each image that has any, by its ID. A child
// whose parent cannot be used is nobody's.
func (g *Graph) ByParent(ctx context.Context) (map[string][]*Image, error) {
	images, err := g.Map(ctx)
	return byParent(images), err
}

func byParent(images map[string]*Image) map[string][]*Image {
	children := map[string][]*Image{}
	for _, img := range images {
		if parent := images[img.Parent]; parent != nil {
			children[parent.ID] = append(children[parent.ID], img)
		}
	}
	return children
}

// HasChildren tells whether an image is the parent of another.
func (g *Graph) HasChildren(ctx context.Context, img *Image) (bool, error) {
	children, err := g.ByParent(ctx)
	return len(children[img.ID]) > 0, err
}

// Heads are the images that are no parent of another, by ID.
func (g *Graph) Heads(ctx context.Context) (map[string]*Image, error) {
	images, err := g.Map(ctx)
	if err != nil {
		return nil, err
	}
	for parent := range byParent(images) {
		delete(images, parent)
	}
	return images, nil
}
