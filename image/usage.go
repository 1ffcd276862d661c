package image

import "github.com/bulkhead/bulkhead/layer"

// addUsage fills in what images of a listing share with each other, and how
// many containers are made of each. (moby daemon/images/images.go; what
// `docker system df -v` shows.)
func (s *Store) addUsage(list []Summary) {
	users := s.containers()
	having := map[layer.ChainID]int{}
	for i := range list {
		for l := s.layersOf(list[i]); l != nil; l = l.Parent() {
			having[l.ChainID()]++
		}
	}
	for i := range list {
		if list[i].Err != nil {
			continue
		}
		list[i].Containers = len(users[list[i].ID])
		list[i].SharedSize = 0
		for l := s.layersOf(list[i]); l != nil; l = l.Parent() {
			if having[l.ChainID()] > 1 {
				list[i].SharedSize += l.DiffSize()
			}
		}
	}
}

// layersOf is the top layer of an image that is whole, else nil.
func (s *Store) layersOf(sum Summary) layer.Layer {
	if sum.Err != nil {
		return nil
	}
	return s.images[sum.ID].retained
}
