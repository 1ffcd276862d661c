//go:build fault

package fault

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// state is what a root holds as far as anybody can ask for it. Images are
// known by their layers, since the ID of one that is made anew has the time in
// it.
type state struct {
	images map[string][]string // diff IDs to names; "" for none
	saved  map[string]string   // of each name, the digest of what save writes
	layers []string            // chain IDs
	boxes  []string            // containers' layers
}

func (s state) String() string {
	var images []string
	for layers, names := range s.images {
		images = append(images, fmt.Sprintf("%.12x%v", sha256.Sum256([]byte(layers)), names))
	}
	slices.Sort(images)
	return fmt.Sprintf("images %v, layers %.19v, containers' layers %v", images, s.layers, s.boxes)
}

// state reads it; with save, what would be exported too. What another driver
// keeps on the root has that driver's name before its own.
func (p *program) state(save bool) (state, error) {
	s, err := p.stateOfOne(save)
	if err != nil || !p.hasOther() {
		return s, err
	}
	more, err := p.as(p.other).stateOfOne(save)
	for layers, names := range more.images {
		s.images[p.other+" "+layers] = prefixed(p.other, names)
	}
	for name, sum := range more.saved {
		s.saved[p.other+" "+name] = sum
	}
	s.layers = append(s.layers, prefixed(p.other, more.layers)...)
	s.boxes = append(s.boxes, prefixed(p.other, more.boxes)...)
	return s, err
}

func prefixed(with string, all []string) []string {
	all = slices.Clone(all)
	for i, s := range all {
		all[i] = with + " " + s
	}
	return all
}

func (p *program) stateOfOne(save bool) (state, error) {
	s := state{images: map[string][]string{}, saved: map[string]string{}}
	lines := func(args ...string) ([]string, error) {
		r := p.do(args...)
		if r.code != 0 {
			return nil, fmt.Errorf("bulkhead %v: exit %d: %s%s", args, r.code, r.stdout, r.stderr)
		}
		return strings.FieldsFunc(r.stdout, func(c rune) bool { return c == '\n' }), nil
	}
	if _, err := os.Stat(p.root()); os.IsNotExist(err) {
		return s, nil
	}
	ids, err := lines("image", "ls", "-a", "-q", "--no-trunc")
	if err != nil {
		return s, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > 0 {
		r := p.do(append([]string{"image", "inspect"}, ids...)...)
		var all []struct {
			RepoTags, RepoDigests []string
			RootFS                struct{ Layers []string }
		}
		if err := json.Unmarshal([]byte(r.stdout), &all); err != nil || r.code != 0 {
			return s, fmt.Errorf("image inspect: exit %d: %v: %s", r.code, err, r.stderr)
		}
		var names []string
		for _, i := range all {
			key := strings.Join(i.RootFS.Layers, " ")
			s.images[key] = append(append(s.images[key], i.RepoTags...), i.RepoDigests...)
			slices.Sort(s.images[key])
			names = append(names, i.RepoTags...)
		}
		for _, name := range names {
			if !save {
				break
			}
			r := p.do("image", "save", name)
			if r.code != 0 {
				return s, fmt.Errorf("image save %s: exit %d: %s", name, r.code, r.stderr)
			}
			s.saved[name] = fmt.Sprintf("%x", sha256.Sum256([]byte(r.stdout)))
		}
	}
	if s.layers, err = lines("layer", "ls", "-q", "--no-trunc"); err != nil {
		return s, err
	}
	slices.Sort(s.layers)
	boxes, err := os.ReadDir(filepath.Join(p.root(), "image", p.driver, "layerdb/mounts"))
	for _, b := range boxes {
		s.boxes = append(s.boxes, b.Name())
	}
	if os.IsNotExist(err) {
		err = nil
	}
	return s, err
}

// same tells whether two roots hold the same, but for the bytes of images
// that were made.
func (s state) same(o state) bool { return s.String() == o.String() }

// lost says what of both before and after is not in s.
func (s state) lost(before, after state) (lost []string) {
	for layers, names := range before.images {
		if _, stays := after.images[layers]; !stays {
			continue
		}
		got, there := s.images[layers]
		if !there {
			lost = append(lost, fmt.Sprintf("the image %v", names))
			continue
		}
		for _, name := range names {
			if !slices.Contains(after.images[layers], name) {
				continue
			}
			if !slices.Contains(got, name) {
				lost = append(lost, "the name "+name)
			} else if sum := s.saved[name]; sum != "" && sum != before.saved[name] {
				lost = append(lost, "the bytes of "+name)
			}
		}
	}
	for _, box := range before.boxes {
		if slices.Contains(after.boxes, box) && !slices.Contains(s.boxes, box) {
			lost = append(lost, "the container's layer "+box)
		}
	}
	return lost
}

// strange says what of s is neither in before nor in after.
func (s state) strange(before, after state) (strange []string) {
	for layers, names := range s.images {
		b, inBefore := before.images[layers]
		a, inAfter := after.images[layers]
		if !inBefore && !inAfter {
			strange = append(strange, fmt.Sprintf("an image of layers %s", layers))
		}
		for _, name := range names {
			if !slices.Contains(b, name) && !slices.Contains(a, name) {
				strange = append(strange, "the name "+name)
			}
		}
	}
	for _, box := range s.boxes {
		if !slices.Contains(before.boxes, box) && !slices.Contains(after.boxes, box) {
			strange = append(strange, "the container's layer "+box)
		}
	}
	return strange
}

// files lists what lies beneath the root, with the names that are chance
// replaced by what they belong to: two roots that hold the same have the same
// list, unless something was left behind.
func (p *program) files() ([]string, error) {
	var pairs []string
	read := func(path string) string {
		b, _ := os.ReadFile(path)
		return strings.TrimSpace(string(b))
	}
	known := func(id, as string) {
		if id == "" {
			return
		}
		pairs = append(pairs, id, "<"+as+">")
		links, _ := filepath.Glob(filepath.Join(p.root(), "*", id, "link"))
		for _, l := range links {
			if link := read(l); link != "" {
				pairs = append(pairs, link, "<link of "+as+">")
			}
		}
	}
	chains, _ := filepath.Glob(filepath.Join(p.root(), "image/*/layerdb/sha256/*"))
	for _, c := range chains {
		known(read(filepath.Join(c, "cache-id")), filepath.Base(c)[:12])
	}
	boxes, _ := filepath.Glob(filepath.Join(p.root(), "image/*/layerdb/mounts/*"))
	for _, b := range boxes {
		known(read(filepath.Join(b, "init-id")), "init of "+filepath.Base(b))
		known(read(filepath.Join(b, "mount-id")), filepath.Base(b))
	}
	// What was replaced, of which there is more where it was done twice.
	undone, _ := filepath.Glob(filepath.Join(p.root(), "bulkhead/*/undo/*"))
	for _, u := range undone {
		known(filepath.Base(u), "undone")
	}
	// Images whose IDs have the time in them.
	configs, _ := filepath.Glob(filepath.Join(p.root(), "image/*/imagedb/content/sha256/*"))
	for _, c := range configs {
		var config struct {
			RootFS struct {
				DiffIDs []string `json:"diff_ids"`
			} `json:"rootfs"`
		}
		if json.Unmarshal([]byte(read(c)), &config) == nil && len(config.RootFS.DiffIDs) > 0 {
			key := sha256.Sum256([]byte(strings.Join(config.RootFS.DiffIDs, " ")))
			pairs = append(pairs, filepath.Base(c), fmt.Sprintf("<image %x>", key[:6]))
		}
	}
	names := strings.NewReplacer(pairs...)
	var list []string
	err := filepath.WalkDir(p.root(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(p.root(), path)
		list = append(list, e.Type().String()+" "+names.Replace(rel))
		return nil
	})
	slices.Sort(list)
	return slices.Compact(list), err
}

// difference is what only one of two sorted lists has.
func difference(got, want []string) (d []string) {
	for _, line := range got {
		if _, there := slices.BinarySearch(want, line); !there {
			d = append(d, "left: "+line)
		}
	}
	for _, line := range want {
		if strings.Contains(line, "/stamp-<") {
			continue // a hint, without which a layer is verified in full
		}
		if _, there := slices.BinarySearch(got, line); !there {
			d = append(d, "missing: "+line)
		}
	}
	if len(d) > 8 {
		d = append(d[:8], fmt.Sprintf("and %d more", len(d)-8))
	}
	return d
}
