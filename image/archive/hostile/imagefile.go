package hostile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
)

// layer is a layer as it lies in an archive.
type layer struct {
	diffID string // with its algorithm
	blob   []byte
}

func plain(tar []byte) layer { return layer{sum(tar), tar} }

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

func encoded(digest string) string { return digest[len("sha256:"):] }

// m is a JSON object.
type m map[string]any

func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // nothing here cannot be marshalled
	}
	return data
}

// config is the configuration of an image of the layers, changed by edits.
func config(layers []layer, edits ...func(m)) []byte {
	ids, history := []string{}, []m{}
	for _, l := range layers {
		ids = append(ids, l.diffID)
		history = append(history, m{"created_by": "attack"})
	}
	c := m{
		"architecture": "amd64", "os": "linux", "config": m{},
		"rootfs": m{"type": "layers", "diff_ids": ids}, "history": history,
	}
	for _, edit := range edits {
		edit(c)
	}
	return asJSON(c)
}

// item is an entry of manifest.json.
type item struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// saved are the files of a docker-save archive, to be changed before they are
// written.
type saved struct {
	config   []byte
	layers   []layer
	manifest any // of item; made if nil
	tags     []string
	extra    func(t *tarball) // entries before the others
	leave    map[string]bool  // files left out
}

func (s saved) configName() string { return encoded(sum(s.config)) + ".json" }

func layerName(i int) string { return strconv.Itoa(i) + "/layer.tar" }

func (s saved) item() item {
	it := item{Config: s.configName(), RepoTags: s.tags, Layers: []string{}}
	for i := range s.layers {
		it.Layers = append(it.Layers, layerName(i))
	}
	return it
}

func (s saved) write(w io.Writer) error {
	if s.manifest == nil {
		s.manifest = []item{s.item()}
	}
	raw, isRaw := s.manifest.([]byte)
	if !isRaw {
		raw = asJSON(s.manifest)
	}
	t := &tarball{}
	if s.extra != nil {
		s.extra(t)
	}
	put := func(name string, data []byte) error {
		if s.leave[name] {
			return nil
		}
		t.add(head{name: name, size: int64(len(data))})
		if _, err := w.Write(t.Bytes()); err != nil {
			return err
		}
		t.Reset()
		_, err := w.Write(data)
		t.Write(make([]byte, (512-len(data)%512)%512))
		return err
	}
	for i, l := range s.layers {
		if err := put(layerName(i), l.blob); err != nil {
			return err
		}
	}
	if err := put(s.configName(), s.config); err != nil {
		return err
	}
	if err := put("manifest.json", raw); err != nil {
		return err
	}
	_, err := w.Write(t.end())
	return err
}

// save is the archive of a harmless image of one layer.
func save() saved {
	layers := []layer{harmless()}
	return saved{config: config(layers), layers: layers, tags: []string{"hostile:1"}}
}

func harmless() layer {
	return plain((&tarball{}).dir("etc/").file("etc/hostname", "harmless\n").end())
}

func dockerSave(w io.Writer, layers ...layer) error {
	return saved{config: config(layers), layers: layers, tags: []string{"hostile:1"}}.write(w)
}
