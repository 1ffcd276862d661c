package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer/abreast"
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
func (l layout) scan(ctx context.Context) (layers, removing []found, err error) {
	all, err := eachDirectory(ctx, l.chains(), func(base int, name string) found {
		hex, removing := removingChain(name)
		if removing {
			hex, _, _ = strings.Cut(hex, "-")
		}
		return readFound(base, name, hex, l.sizes)
	})
	for _, f := range all {
		if err := shortage(f.err); err != nil {
			return nil, nil, fmt.Errorf("read the layer store: %w", err)
		}
		if strings.HasSuffix(f.name, suffixRemoving) {
			removing = append(removing, f)
		} else {
			layers = append(layers, f)
		}
	}
	return layers, removing, err
}

// scanCacheIDs reads what scan does, but nothing of each layer except what tree
// it has.
func (l layout) scanCacheIDs(ctx context.Context) ([]string, error) {
	return eachDirectory(ctx, l.chains(), func(base int, name string) string {
		id, err := readTextAt(base, name, fileCacheID)
		if err != nil || graphdriver.ValidateID(id) != nil {
			return ""
		}
		return id
	})
}

// eachDirectory reads the directories of a layer store's directory, several at a
// time.
func eachDirectory[T any](ctx context.Context, path string, read func(base int, name string) T) ([]T, error) {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the layer store: %w", err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("read the layer store: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() })
	base := int(dir.Fd())
	all := make([]T, len(entries))
	err = abreast.Do(ctx, len(entries), func(_ context.Context, i int) error {
		all[i] = read(base, entries[i].Name())
		return nil
	})
	return all, err
}

// shortage is an error that says nothing of what is stored, but that this
// machine has no more of something.
func shortage(err error) error {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return err
		}
	}
	return nil
}

// readFound reads one directory, by its name in an open one. It goes on after a fault, since a cache ID
// or a parent that can be read still tells what to keep.
func readFound(base int, name, hex string, sizes bool) found {
	f := found{name: name, chain: chainNamed(hex)}
	read := func(file string) (string, error) { return readTextAt(base, name, file) }
	var errs []error
	fault := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !ValidDigest(digest.Digest(f.chain)) {
		fault(errors.New("its name is not a SHA-256 sum"))
	}
	text, err := read(fileSize)
	fault(err)
	if err == nil {
		f.size, err = strconv.ParseInt(text, 10, 64)
		if err != nil || f.size < 0 {
			fault(fmt.Errorf("%s holds %.80q, not a size", fileSize, text))
		}
	}
	if sizes {
		f.err = oneLine(errs...)
		return f
	}
	text, err = read(fileParent)
	if !errors.Is(err, fs.ErrNotExist) {
		fault(err)
		if f.parent = ChainID(text); err == nil && !ValidDigest(digest.Digest(text)) {
			fault(fmt.Errorf("%s holds %.80q, not a digest", fileParent, text))
		}
	}
	text, err = read(fileDiff)
	fault(err)
	if f.diff = DiffID(text); err == nil && !ValidDigest(digest.Digest(text)) {
		fault(fmt.Errorf("%s holds %.80q, not a digest", fileDiff, text))
	}
	text, err = read(fileCacheID)
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

// maxText is more than any of these files needs, and usualText more than what
// they have: to clear a page for each costs more than to read it.
const (
	maxText   = 4 << 10
	usualText = 127
)

func readText(dir, name string) (string, error) { return readTextAt(unix.AT_FDCWD, dir, name) }

// readTextAt reads a file of a directory that lies in an open one.
func readTextAt(at int, dir, name string) (string, error) {
	path := dir + "/" + name
	fd, err := openNow(at, path)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return "", fmt.Errorf("%s is not a small regular file", name)
	}
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := openFile{fd}
	defer f.Close()
	var few [usualText + 1]byte
	buf := few[:]
	n, err := f.Read(buf)
	if n == len(buf) {
		buf = append(make([]byte, 0, maxText+1), buf...)[:maxText+1]
		var more int
		if more, err = f.Read(buf[n:]); err == io.EOF {
			err = nil
		}
		n += more
	}
	if err == nil && n > 0 && n <= maxText {
		return string(bytes.TrimSpace(buf[:n])), nil
	}
	var st unix.Stat_t
	if serr := unix.Fstat(fd, &st); serr == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || n > maxText) {
		return "", fmt.Errorf("%s is not a small regular file", name)
	}
	if err == io.EOF {
		err = nil
	}
	return "", err
}

// openNow opens what may be anything without waiting for it. There are many of
// these files, and os.File costs more than reading one.
func openNow(at int, path string) (fd int, err error) {
	for {
		fd, err = unix.Openat(at, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
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
	chains := l.chains() + "/"
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
		r := recordOf(f.chain, parent, f.diff, f.cacheID, f.size) // without a diff ID its chain ID cannot be told
		r.dir = chains + f.name
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
	slices.SortFunc(broken, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	// What an unusable layer rests on has to stay: it may yet be mended.
	for i := range layers {
		if f := &layers[i]; f.err != nil && records[f.parent] != nil {
			records[f.parent].above++
		}
	}
	return records, broken
}
