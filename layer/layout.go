package layer

import (
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Names within a layer's directory, a container's, and around them. All but
// the last five are moby's.
const (
	fileDiff       = "diff"
	fileParent     = "parent"
	fileSize       = "size"
	fileCacheID    = "cache-id"
	fileDescriptor = "descriptor.json"
	fileTarSplit   = "tar-split.json.gz"
	fileMountID    = "mount-id"
	fileInitID     = "init-id"
	suffixInit     = "-init"
	suffixRemoving = "-removing"
	prefixTx       = "bulkhead-"
	dirSetAside    = "set-aside"
	dirUndo        = "undo"
	fileWhat       = "what"
	prefixNew      = ".new-"
)

// layout knows where everything lies.
type layout struct {
	db    string // moby's layerdb
	state string // our own
	sizes bool   // see Options.Sizes
}

func newLayout(root, driver string) layout {
	return layout{
		db:    filepath.Join(root, "image", driver, "layerdb"),
		state: filepath.Join(root, "bulkhead", driver),
	}
}

func (l layout) chains() string  { return filepath.Join(l.db, string(digest.SHA256)) }
func (l layout) tmp() string     { return filepath.Join(l.db, "tmp") }
func (l layout) mounts() string  { return filepath.Join(l.db, "mounts") }
func (l layout) journal() string { return filepath.Join(l.state, "journal") }

func (l layout) chain(id ChainID) string {
	return filepath.Join(l.chains(), digest.Digest(id).Encoded())
}

func (l layout) mount(name string) string { return filepath.Join(l.mounts(), name) }

// removing is a name as moby gives it to a layer whose removal has begun.
func (l layout) removing(id ChainID) string {
	return l.chain(id) + "-" + randomID() + suffixRemoving
}

// setAside is where an unusable directory goes that a layer has to take the
// place of.
func (l layout) setAside(id ChainID) string {
	return filepath.Join(l.state, dirSetAside, digest.Digest(id).Encoded()+"-"+randomID()[:12])
}

// undo is where a repair keeps what it replaced, until somebody sweeps. Where
// that is a tree, the driver has it as a layer of this very ID.
func (l layout) undo(id string) string { return filepath.Join(l.state, dirUndo, id) }

// tx is the directory in which the files of a layer are collected. It is
// found from the cache ID, so that the journal need not tell it.
func (l layout) tx(cacheID string) string      { return filepath.Join(l.tmp(), prefixTx+cacheID) }
func (l layout) intent(cacheID string) string  { return filepath.Join(l.journal(), cacheID) }
func removingChain(name string) (string, bool) { return strings.CutSuffix(name, suffixRemoving) }

// randomID is a cache ID as moby makes them.
func randomID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// chainNamed is the chain ID that a directory is named by.
func chainNamed(hex string) ChainID { return ChainID(sha256Colon + hex) }

// sha256Colon begins all digests here.
const sha256Colon = "sha256:"

// ValidDigest accepts the digests that layers and images have: SHA-256.
func ValidDigest(d digest.Digest) bool {
	hex, ok := strings.CutPrefix(string(d), sha256Colon)
	if !ok || len(hex) != digest.SHA256.Size()*2 {
		return false
	}
	// digest.Validate takes a regular expression to it, thousands of times. A bit
	// for each byte that may be there: of a branch for each no processor could
	// tell the way.
	may := [4]uint64{0x3ff << '0', 0x3f << ('a' - 64)}
	all := uint64(1)
	for i := range len(hex) {
		all &= may[hex[i]>>6] >> (hex[i] & 63)
	}
	return all == 1
}
