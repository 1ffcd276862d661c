package archive

import (
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image/refs"
)

const (
	// annotationImageName is containerd's and Docker's whole name of an image.
	annotationImageName = "io.containerd.image.name"
	// annotationReferenceType marks manifests that are not images but speak
	// of one (BuildKit attestations).
	annotationReferenceType = "vnd.docker.reference.type"
)

// choose takes from entries that stand for one thing those that are meant:
// the one for the platform; or all, if they have neither name nor platform.
// An index is replaced by what is chosen from it and hands its name down.
func (r *ociPlan) choose(entries []ocispec.Descriptor, depth int) ([]ocispec.Descriptor, error) {
	leaves, err := r.leaves(entries, depth)
	if err != nil {
		return nil, err
	}
	if len(leaves) == 0 || len(leaves) == 1 && (!r.opts.Exact || leaves[0].Platform == nil) {
		return leaves, nil
	}
	var matching, unsaid []ocispec.Descriptor
	for _, d := range leaves {
		switch {
		case d.Platform == nil:
			unsaid = append(unsaid, d)
		case r.matches(d.Platform):
			matching = append(matching, d)
		}
	}
	named := leaves[0].Annotations[ocispec.AnnotationRefName] != "" || leaves[0].Annotations[annotationImageName] != ""
	if depth == 0 && !named {
		if all := append(matching, unsaid...); len(all) > 0 {
			return all, nil
		}
	}
	if len(matching) == 0 {
		return nil, refuse("none of %d images is for %s, but for %s", len(leaves), FormatPlatform(*r.opts.Platform), offered(leaves))
	}
	return bestVariant(matching, r.opts.Platform.Variant), nil
}

// offered lists what the images are for, not more than a person would read.
func offered(leaves []ocispec.Descriptor) string {
	var all []string
	for _, d := range leaves {
		if p := d.Platform; p != nil && len(all) < 16 {
			all = append(all, FormatPlatform(*p))
		}
	}
	return strings.Join(all, ", ")
}

// leaves replaces indexes by what is chosen from them and leaves out what is
// no image.
func (r *ociPlan) leaves(entries []ocispec.Descriptor, depth int) ([]ocispec.Descriptor, error) {
	if depth > maxNesting {
		return nil, refuse("indexes within indexes, more than %d deep", maxNesting)
	}
	var leaves []ocispec.Descriptor
	for _, d := range entries {
		switch {
		case d.Annotations[annotationReferenceType] != "" || d.ArtifactType != "":
		case isManifest(d.MediaType):
			leaves = append(leaves, d)
		case isIndex(d.MediaType):
			data, err := r.blob(d)
			if err != nil {
				return nil, err
			}
			nested, err := r.index(blobPath(d.Digest), data)
			if err != nil {
				return nil, err
			}
			chosen, err := r.choose(nested.Manifests, depth+1)
			if err != nil {
				return nil, err
			}
			for i := range chosen {
				chosen[i].Annotations = d.Annotations
			}
			leaves = append(leaves, chosen...)
		default:
			return nil, refuse("entry of type %.100q: neither an image nor an index", d.MediaType)
		}
	}
	return leaves, nil
}

// matches reports whether an image for p runs on the platform asked for.
func (r *ociPlan) matches(p *ocispec.Platform) bool {
	want := r.opts.Platform
	if p.OS != want.OS || p.Architecture != want.Architecture {
		return false
	}
	return want.Variant == "" || p.Variant == "" || p.Variant == want.Variant
}

// bestVariant prefers the image that is exactly for the variant.
func bestVariant(matching []ocispec.Descriptor, variant string) []ocispec.Descriptor {
	for _, d := range matching {
		if d.Platform.Variant == variant {
			return []ocispec.Descriptor{d}
		}
	}
	return matching[:1]
}

// ociNames are the names that an index gives to an image: Docker's whole
// one, or else the layout's own if that is a whole name too and not only a
// tag, as some tools write it.
func ociNames(annotations map[string]string) ([]reference.Named, error) {
	if name := annotations[annotationImageName]; name != "" {
		tag, err := refs.ParseTag(name)
		if err != nil {
			return nil, refuse("%w", err)
		}
		return []reference.Named{tag}, nil
	}
	name := annotations[ocispec.AnnotationRefName]
	if !strings.ContainsAny(name, ":/") {
		return nil, nil
	}
	tag, err := refs.ParseTag(name)
	if err != nil {
		return nil, nil // the layout's grammar allows what no image name can be
	}
	return []reference.Named{tag}, nil
}
