package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// found is one directory of layerdb/sha256 as it was read. With err set the
// other fields are what could be read all the same.
type found struct {
	name    string
	chain   ChainID
	diff    DiffID
	parent  ChainID
	cacheID string
	size    int64
	err     error
}

// scan reads all layer directories: layers, and those whose removal has
// begun.
func (l layout) scan() (layers, removing []found, err error) {
	entries, err := os.ReadDir(l.chains())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the layer store: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if name, ok := removingChain(e.Name()); ok {
			hex, _, _ := strings.Cut(name, "-")
			f := readFound(l.chains(), e.Name(), hex)
			removing = append(removing, f)
			continue
		}
		layers = append(layers, readFound(l.chains(), e.Name(), e.Name()))
	}
	return layers, removing, nil
}

// readFound reads one directory. It goes on after a fault, since a cache ID
// or a parent that can be read still tells what to keep.
func readFound(base, name, hex string) found {
	f := found{name: name, chain: ChainID(digest.NewDigestFromEncoded(digest.SHA256, hex))}
	dir := filepath.Join(base, name)
	var errs []error
	fault := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !validSHA256(digest.Digest(f.chain)) {
		fault(errors.New("its name is not a SHA-256 sum"))
	}
	text, err := readText(dir, fileDiff)
	fault(err)
	if f.diff = DiffID(text); err == nil && !validSHA256(digest.Digest(text)) {
		fault(fmt.Errorf("%s holds %.80q, not a digest", fileDiff, text))
	}
	text, err = readText(dir, fileParent)
	if !errors.Is(err, fs.ErrNotExist) {
		fault(err)
		if f.parent = ChainID(text); err == nil && !validSHA256(digest.Digest(text)) {
			fault(fmt.Errorf("%s holds %.80q, not a digest", fileParent, text))
		}
	}
	text, err = readText(dir, fileSize)
	fault(err)
	if err == nil {
		f.size, err = strconv.ParseInt(text, 10, 64)
		if err != nil || f.size < 0 {
			fault(fmt.Errorf("%s holds %.80q, not a size", fileSize, text))
		}
	}
	text, err = readText(dir, fileCacheID)
	fault(err)
	if err == nil {
		if err = graphdriver.ValidateID(text); err == nil {
			f.cacheID = text
		}
		fault(err)
	}
	if len(errs) == 0 && NextChainID(f.parent, f.diff) != f.chain {
		fault(fmt.Errorf("diff and parent make chain ID %s, not that of its name", NextChainID(f.parent, f.diff)))
	}
	f.err = oneLine(errs...)
	return f
}

// maxText is more than any of these files needs.
const maxText = 4 << 10

func readText(dir, name string) (string, error) {
	st, err := os.Lstat(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() || st.Size() > maxText {
		return "", fmt.Errorf("%s is not a small regular file", name)
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b)), err
}

// build makes records of what was found; it tells which are unusable.
func (l layout) build(layers []found) (map[ChainID]*record, []error) {
	byChain := make(map[ChainID]*found, len(layers))
	for i := range layers {
		if f := &layers[i]; f.err == nil {
			byChain[f.chain] = f
		}
	}
	records := make(map[ChainID]*record, len(byChain))
	var load func(f *found) *record
	load = func(f *found) *record {
		if r, ok := records[f.chain]; ok || f.err != nil {
			return r
		}
		var parent *record
		if f.parent != "" {
			// Chain IDs are hashes over their parents': there is no cycle.
			if p := byChain[f.parent]; p != nil {
				parent = load(p)
			}
			if parent == nil {
				f.err = fmt.Errorf("its parent %s is missing or unusable", f.parent)
				return nil
			}
		}
		r := newRecord(parent, f.diff, f.cacheID, f.size)
		r.dir = filepath.Join(l.chains(), f.name)
		records[r.chain] = r
		if parent != nil {
			parent.above++
		}
		return r
	}
	var broken []error
	for i := range layers {
		f := &layers[i]
		if load(f); f.err == nil {
			continue
		}
		broken = append(broken, &BrokenError{Dir: f.name, Cause: f.err})
	}
	// What an unusable layer rests on has to stay: it may yet be mended.
	for i := range layers {
		if f := &layers[i]; f.err != nil && records[f.parent] != nil {
			records[f.parent].above++
		}
	}
	return records, broken
}
