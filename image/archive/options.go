package archive

import (
	"runtime"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/blobs"
)

// Limits bound what an archive may make us hold or write. Zero fields are
// defaults.
type Limits struct {
	// Manifest is the longest manifest or index, by default 4 MiB.
	Manifest int64
	// Config is the longest image configuration, by default
	// image.MaxConfigSize, which it cannot exceed.
	Config int64
	// Configs is how long the configurations of all images may be together, by
	// default 32 MiB.
	Configs int64
	// Images is how many images, manifests and indexes an archive may have,
	// by default 1024; Names is how many names it may give them, by default
	// 16384.
	Images, Names int
	// Entries is how many a layer may have, by default DefaultEntries.
	Entries int64
	// Window is the largest window of a layer in zstd, by default
	// input.DefaultWindow.
	Window int64
	// Layer is how many bytes one layer may have decompressed, by default
	// 64 GiB.
	Layer int64
	// Total is the same for all layers of an archive, by default 256 GiB.
	Total int64
}

// DefaultEntries is how many entries a layer may have if nothing else is said.
const DefaultEntries = 1 << 20

func (l Limits) fill() Limits {
	if l.Configs == 0 {
		l.Configs = 32 << 20
	}
	if l.Names == 0 {
		l.Names = 1 << 14
	}
	if l.Entries == 0 {
		l.Entries = DefaultEntries
	}
	if l.Manifest == 0 {
		l.Manifest = 4 << 20
	}
	if l.Config == 0 || l.Config > image.MaxConfigSize {
		l.Config = image.MaxConfigSize
	}
	if l.Images == 0 {
		l.Images = 1024
	}
	if l.Layer == 0 {
		l.Layer = 64 << 30
	}
	if l.Total == 0 {
		l.Total = 256 << 30
	}
	return l
}

// LoadOptions say how to load. The zero value is the usual way.
type LoadOptions struct {
	Limits Limits
	// Progress may be nil.
	Progress Progress
	// Platform is which image of a multi-platform one is taken, by default
	// the one for linux and this machine's architecture.
	Platform *ocispec.Platform
	// Exact refuses an image for another platform also where there is but one.
	Exact bool
	// Names are given to the image, of which there must be one, in place of
	// those that the archive gives. A digest that names another image stays
	// with that one; if it is the only name, that is refs.ErrConflict.
	Names []reference.Named
	// SkipStored passes over layers that are stored already. Without it they
	// are read, to hold the archive to what it promises of them.
	SkipStored bool
	// Blobs, if not nil, is told by which manifests images came, those of
	// Repository, so that they can be pushed by the same; Keep has it keep the
	// layers too, as they came.
	Blobs      *blobs.Store
	Repository string
	Keep       bool
}

func (o LoadOptions) fill() LoadOptions {
	o.Limits = o.Limits.fill()
	if o.Progress == nil {
		o.Progress = silent{}
	}
	if o.Platform == nil {
		o.Platform = &ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return o
}
