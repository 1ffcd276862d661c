package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// sources are what there is to measure with.
type sources struct {
	rootfs, small *input
	image, many   *stack
}

// newSources are where the archives are once they are made.
func newSources(dir string) *sources {
	return &sources{
		rootfs: &input{name: "rootfs", path: filepath.Join(dir, "rootfs.tar")},
		small:  &input{name: "small", path: filepath.Join(dir, "small.tar")},
		image:  &stack{name: "image", dir: dir},
		many:   &stack{name: "40k", dir: dir},
	}
}

func (s *sources) all() []source { return []source{s.rootfs, s.small, s.image, s.many} }

// measurements are all there are.
func measurements(d *drivers, s *sources, bin string) []measurement {
	var out []measurement
	for _, in := range []*input{s.rootfs, s.small} {
		out = append(out, applying(d, in), changing(d, in), diffing(d, in), loading(d, in, bin))
	}
	for _, l := range []overlayLayers{layerOf(s.rootfs), layerOf(s.small), layersOf(s.image)} {
		out = append(out, changingOverlay(d, l), diffingOverlay(d, l))
	}
	for _, in := range []*input{s.rootfs, s.small} {
		out = append(out, diffingOverlayLayer(d, in))
	}
	for _, depth := range []int{4, 125} {
		out = append(out, mounting(d, depth, false), mounting(d, depth, true))
	}
	for _, st := range []*stack{s.image, s.many} {
		out = append(out, loadingOverlay(d, st, bin))
	}
	return append(out, squashing(d, s.image, 0), squashing(d, s.image, 1), listing(1000, 10, bin))
}

// wanted are the measurements that were asked for, with what they need.
func wanted(d *drivers, o options, tmp string) ([]measurement, error) {
	s := newSources(tmp)
	passed := func(ms measurement) bool {
		return len(o.Names) > 0 && !slices.ContainsFunc(o.Names, func(n string) bool { return strings.Contains(ms.name, n) })
	}
	made := map[source]bool{}
	for _, ms := range slices.DeleteFunc(measurements(d, s, o.Bin), passed) {
		for _, need := range ms.needs {
			if ms.skip == "" && !made[need] {
				made[need] = true
				if err := need.create(o.Image); err != nil {
					return nil, err
				}
			}
		}
	}
	// Once more, now that they can say what they measure with.
	out := slices.DeleteFunc(measurements(d, s, o.Bin), passed)
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing is called %s", strings.Join(o.Names, " or "))
	}
	return out, nil
}
