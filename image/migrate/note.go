package migrate

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image"
	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// note is what is kept of an image that came over.
type note struct {
	// From is the root of the graph, JSON the digest of what it said of the
	// image: another graph's image of the same ID may be another.
	From  string        `json:"from"`
	JSON  digest.Digest `json:"json"`
	Image image.ID      `json:"image"`
	Exact bool          `json:"exact"`
}

func (m *migration) notes() string {
	return filepath.Join(m.to.Root, "bulkhead", m.to.Driver, "migrated")
}

func (m *migration) note(got Migrated, raw []byte) error {
	data, err := json.Marshal(note{From: m.from.Root, JSON: digest.FromBytes(raw), Image: got.ID, Exact: got.Exact})
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(m.notes(), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(m.notes(), got.From), append(data, '\n'), 0o600)
}

// noted tells what an image became, if it came over before and is still there,
// whole. A note that cannot be read counts for nothing: the image is read again.
func (m *migration) noted(id string, raw []byte) (Migrated, bool) {
	f, err := os.OpenFile(filepath.Join(m.notes(), id), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Migrated{}, false
	}
	defer f.Close()
	var n note
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return Migrated{}, false
	}
	if err := json.NewDecoder(io.LimitReader(f, 8192)).Decode(&n); err != nil || n.From != m.from.Root || n.JSON != digest.FromBytes(raw) {
		return Migrated{}, false
	}
	img, err := m.to.Images.Get(n.Image)
	if err != nil || m.to.Layers.Map()[img.Config.ChainID()] == nil {
		return Migrated{}, false
	}
	return Migrated{From: id, ID: n.Image, Exact: n.Exact}, true
}
