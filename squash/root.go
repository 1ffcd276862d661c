package squash

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/layer"
)

// rootEntry is the archive's entry for the root directory, which a driver's
// diff does not have; nil where root directories are as drivers make them.
func rootEntry(ctx context.Context, layers *layer.Store, top, parent layer.ChainID) ([]byte, error) {
	root, known, err := layers.RootDir(ctx, top)
	if err != nil || !known {
		return nil, err
	}
	plain := isPlain(&root)
	if plain && parent != "" {
		was, _, err := layers.RootDir(ctx, parent)
		if err != nil {
			return nil, err
		}
		plain = isPlain(&was)
	}
	if plain {
		return nil, nil
	}
	h := &tar.Header{
		Typeflag: tar.TypeDir, Name: "./", Mode: int64(root.Mode), Uid: int(root.UID), Gid: int(root.GID),
		ModTime: time.Unix(root.MtimeSec, int64(root.MtimeNsec)), Format: tar.FormatPAX,
	}
	for _, x := range root.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+x.Name] = x.Value
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(h); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Flush()
}

// isPlain reports whether a root directory says nothing: drivers make it so.
func isPlain(n *graphdriver.StoredNode) bool {
	return n.Mode == 0o755 && n.UID == 0 && n.GID == 0 && len(n.Xattrs) == 0
}

// withRoot is an archive that begins with the root's entry.
func withRoot(entry []byte, tar io.Reader) io.Reader {
	if entry == nil {
		return tar
	}
	return io.MultiReader(bytes.NewReader(entry), tar)
}
