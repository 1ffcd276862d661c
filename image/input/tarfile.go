package input

import (
	"archive/tar"
	"io"
	"path"
	"strings"
)

// maxHops bounds how many links lead from a name to its file.
const maxHops = 16

func (a *tarArchive) Open(name string) (File, error) {
	clean, err := cleanName(name)
	if err != nil {
		return nil, err
	}
	e, ok := a.entries[clean]
	if !ok {
		return nil, refuse("%q: %w", name, ErrMissing)
	}
	if e.kind != tar.TypeReg {
		return nil, refuse("%q is not a regular file", name)
	}
	return &tarFile{SectionReader: io.NewSectionReader(a.f, e.offset, e.size)}, nil
}

func (a *tarArchive) OpenLinked(name string) (File, error) {
	at, err := cleanName(name)
	if err != nil {
		return nil, err
	}
	for range maxHops {
		e, ok := a.entries[at]
		if !ok || e.kind != tar.TypeSymlink && e.kind != tar.TypeLink {
			return a.Open(at)
		}
		to := e.link
		if e.kind == tar.TypeSymlink {
			if strings.HasPrefix(to, "/") {
				return nil, refuse("%q is a link out of the archive", name)
			}
			to = path.Join(path.Dir(at), to)
		} else {
			to = path.Clean(to)
		}
		if to == ".." || strings.HasPrefix(to, "../") || strings.HasPrefix(to, "/") {
			return nil, refuse("%q is a link out of the archive", name)
		}
		at = to
	}
	return nil, refuse("%q: too many links", name)
}

func (a *tarArchive) Close() error { return a.f.Close() }

type tarFile struct{ *io.SectionReader }

func (*tarFile) Close() error { return nil }
