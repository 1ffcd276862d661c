package input

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"strings"
)

// tarArchive is a tar file whose entries are known by name. The file is read
// in place, at any number of positions at once.
type tarArchive struct {
	f       *os.File
	entries map[string]tarEntry
	named   int // bytes of all names and links
}

type tarEntry struct {
	kind   byte // tar.TypeReg, TypeDir, TypeSymlink, TypeLink, or another
	offset int64
	size   int64
	link   string // as it stands
}

// indexTar reads all headers and remembers where the content of each regular
// file lies. Names that lead out, names used twice (directories excepted,
// which hold nothing), and sparse files are refused.
func indexTar(f *os.File, limits Limits) (*tarArchive, error) {
	a := &tarArchive{f: f, entries: map[string]tarEntry{}}
	at := &position{f: f}
	tr := tar.NewReader(at)
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refuse("not a whole tar file, at byte %d: %w", at.n, err)
		}
		if n >= limits.Entries {
			return nil, refuse("more than %d entries", limits.Entries)
		}
		if err := a.add(hdr, at.n, limits); err != nil {
			return nil, err
		}
	}
	if len(a.entries) == 0 {
		return nil, refuse("not a tar file, or an empty one")
	}
	return a, nil
}

func (a *tarArchive) add(hdr *tar.Header, offset int64, limits Limits) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if len(hdr.Name) > limits.Name || len(hdr.Linkname) > limits.Name {
		return refuse("entry %.64q: name or link of more than %d bytes", hdr.Name, limits.Name)
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeGNUSparse {
		return refuse("entry %q: sparse file", hdr.Name)
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return refuse("entry %q: sparse file", hdr.Name)
		}
	}
	if a.named += len(name) + len(hdr.Linkname); a.named > limits.Names {
		return refuse("the names of its entries have more than %d bytes together", limits.Names)
	}
	old, twice := a.entries[name]
	if twice && (old.kind != tar.TypeDir || hdr.Typeflag != tar.TypeDir) {
		return refuse("entry %q: twice in the archive", hdr.Name)
	}
	// Names are pieces of headers, which need not be kept for them.
	a.entries[strings.Clone(name)] = tarEntry{kind: hdr.Typeflag, offset: offset, size: hdr.Size, link: strings.Clone(hdr.Linkname)}
	return nil
}

// cleanName makes a name relative and clean. Absolute names and any that
// climb are refused, even where they would stay inside.
func cleanName(name string) (string, error) {
	if strings.HasPrefix(name, "/") || strings.IndexByte(name, 0) >= 0 {
		return "", refuse("entry %.64q: not a relative name", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse("entry %.64q: name with ..", name)
		}
	}
	return path.Clean(name), nil
}

// position counts what is read, so that the offset of an entry's content is
// known: archive/tar reads headers block by block and not ahead.
type position struct {
	f *os.File
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.f.ReadAt(b, p.n)
	p.n += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek lets archive/tar pass over content without reading it.
func (p *position) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += p.n
	case io.SeekEnd:
		fi, err := p.f.Stat()
		if err != nil {
			return 0, err
		}
		offset += fi.Size()
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	p.n = offset
	return offset, nil
}
