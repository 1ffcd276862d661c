package layertar

import (
	"path"
	"strings"
)

const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh."
	opaqueMarker   = ".wh..wh..opq"
	maxPath        = 4095
)

// CleanName turns an archive's name into a relative, clean path, "." for the
// root: the one rule for where an entry is written and where its payload is
// read again. A name that leaves the tree, is too long for any kernel, or
// holds a NUL byte is refused.
func CleanName(name string) (string, error) {
	if len(name) > maxPath {
		return "", refuse(name, "name of %d bytes is longer than %d", len(name), maxPath)
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", refuse(name, "name holds a NUL byte")
	}
	clean := strings.TrimLeft(path.Clean(name), "/")
	if clean == "" {
		clean = "."
	}
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", refuse(name, "path leads out of the layer")
	}
	for _, part := range strings.Split(clean, "/") {
		if len(part) > 255 {
			return "", refuse(name, "a path component is longer than 255 bytes")
		}
	}
	return clean, nil
}

// classify recognises whiteouts and leftovers of AUFS in a clean path. It
// returns the kind (0 for an ordinary entry) and the path that is meant.
func classify(name, clean string) (Kind, string, error) {
	if first, _, _ := strings.Cut(clean, "/"); strings.HasPrefix(first, metaPrefix) && first != opaqueMarker {
		return Ignored, clean, nil // .wh..wh.aufs, .wh..wh.orph, .wh..wh.plnk
	}
	dir, base := path.Split(clean)
	if !strings.HasPrefix(base, whiteoutPrefix) {
		return 0, clean, nil
	}
	if base == opaqueMarker {
		return Opaque, path.Clean(dir), nil
	}
	if strings.HasPrefix(base, metaPrefix) {
		return Ignored, clean, nil
	}
	target := base[len(whiteoutPrefix):]
	if target == "" || target == "." || target == ".." {
		return 0, "", refuse(name, "whiteout without a target")
	}
	return Whiteout, dir + target, nil
}
