package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// ErrCorrupt: the file is no bolt database, or a damaged one.
var ErrCorrupt = errors.New("not a sound bolt database")

// ErrChanged: the database was written while it was read.
var ErrChanged = errors.New("the database was written meanwhile")

const (
	magic      = 0xed0cdaed
	version    = 2
	headerSize = 16
	metaSize   = 64
	bucketSize = 16

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagMeta   = 0x04
	flagBucket = 0x01 // of a leaf's element

	minPage = 1 << 9
	maxPage = 1 << 16
	// maxNesting is how many buckets lie within one another at most, and
	// maxDepth how many pages a tree is high: more than any writer makes.
	maxNesting = 16
	maxDepth   = 64
	// maxHeld is how many bytes the pages between the root and what is visited
	// have together.
	maxHeld = 64 << 20
	// maxSize is more than any daemon writes: a page takes a bit of memory,
	// also where the file is a hole.
	maxSize = 64 << 30
)

// order is that of the machines we run on: bolt writes that of the machine.
var order = binary.NativeEndian

// DB is a database as it was when it was opened.
type DB struct {
	r     io.ReaderAt
	size  int64
	page  int64
	meta  meta
	seen  []uint64 // pages of the walk under way, a bit each
	held  int64    // bytes of them that are in memory
	pages uint64
}

type meta struct {
	page     uint32
	root, tx uint64
	high     uint64
}

// Open looks at the beginning of a file of so many bytes.
func Open(r io.ReaderAt, size int64) (*DB, error) {
	if size > maxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, size)
	}
	db := &DB{r: r, size: size}
	m, err := db.newest()
	if err != nil {
		return nil, err
	}
	db.meta, db.page, db.pages = m, int64(m.page), min(m.high, uint64(size/int64(m.page)))
	return db, nil
}

// newest is the better of the two metas. The second lies where the page size
// says, which only the first tells, or a guess.
func (db *DB) newest() (best meta, err error) {
	err = fmt.Errorf("%w: it has no valid meta page", ErrCorrupt)
	first, ferr := db.readMeta(0)
	if ferr == nil {
		best, err = first, nil
	}
	for size := int64(minPage); size <= maxPage; size *= 2 {
		if ferr == nil && size != int64(first.page) {
			continue
		}
		second, serr := db.readMeta(size)
		if serr != nil || int64(second.page) != size {
			continue
		}
		if err != nil || second.tx > best.tx {
			best, err = second, nil
		}
	}
	return best, err
}

func (db *DB) readMeta(at int64) (m meta, err error) {
	var b [headerSize + metaSize]byte
	if _, err := db.r.ReadAt(b[:], at); err != nil {
		return m, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	body := b[headerSize:]
	sum := fnv.New64a()
	sum.Write(body[:56])
	m = meta{page: order.Uint32(body[8:]), root: order.Uint64(body[16:]), high: order.Uint64(body[40:]), tx: order.Uint64(body[48:])}
	switch {
	case order.Uint16(b[8:])&flagMeta == 0, order.Uint32(body) != magic, order.Uint32(body[4:]) != version, order.Uint64(body[56:]) != sum.Sum64():
		return m, ErrCorrupt
	case m.page < minPage || m.page > maxPage || m.page&(m.page-1) != 0:
		return m, fmt.Errorf("%w: pages of %d bytes", ErrCorrupt, m.page)
	}
	return m, nil
}

// Walk tells visit of each key of each bucket, with the names of the buckets
// that it lies in; of a bucket itself with a nil value. What it is given is
// valid until it returns. An error of its ends the walk. ErrChanged says that
// what was told may not be all: walk again.
func (db *DB) Walk(visit func(buckets [][]byte, key, value []byte) error) error {
	db.seen, db.held = make([]uint64, db.pages/64+1), 0
	err := db.tree(db.meta.root, nil, 0, visit)
	now, merr := db.newest()
	if merr != nil || now.tx != db.meta.tx {
		return errors.Join(ErrChanged, merr)
	}
	return err
}

func (db *DB) tree(id uint64, buckets [][]byte, depth int, visit func([][]byte, []byte, []byte) error) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: a tree more than %d pages high", ErrCorrupt, maxDepth)
	}
	p, err := db.read(id)
	if err != nil {
		return err
	}
	err = db.elements(p, buckets, depth, visit)
	db.held -= int64(len(p))
	return err
}

// read reads a page with its overflow, each once at most.
func (db *DB) read(id uint64) ([]byte, error) {
	if err := db.see(id); err != nil {
		return nil, err
	}
	var head [headerSize]byte
	at := int64(id) * db.page
	if _, err := db.r.ReadAt(head[:], at); err != nil {
		return nil, fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, err)
	}
	more := int64(order.Uint32(head[12:]))
	n := (more + 1) * db.page
	if order.Uint64(head[:]) != id || n > maxHeld-db.held || n > db.size-at {
		return nil, fmt.Errorf("%w: page %d says it is %d and has %d bytes", ErrCorrupt, id, order.Uint64(head[:]), n)
	}
	for i := range uint64(more) {
		if err := db.see(id + 1 + i); err != nil {
			return nil, err
		}
	}
	db.held += n
	p := make([]byte, n)
	if _, err := db.r.ReadAt(p, at); err != nil {
		return nil, fmt.Errorf("%w: page %d: %w", ErrCorrupt, id, err)
	}
	return p, nil
}

// see notes a page, which may be in one place only.
func (db *DB) see(id uint64) error {
	if id < 2 || id >= db.pages || db.seen[id/64]&(1<<(id%64)) != 0 {
		return fmt.Errorf("%w: page %d cannot be where it is named", ErrCorrupt, id)
	}
	db.seen[id/64] |= 1 << (id % 64)
	return nil
}

// elements goes through a page, of a file or within a bucket's value. No two of
// its keys and values lie over one another: whoever reads them reads no more
// than there is.
func (db *DB) elements(p []byte, buckets [][]byte, depth int, visit func([][]byte, []byte, []byte) error) error {
	flags, count := order.Uint16(p[8:]), int(order.Uint16(p[10:]))
	left := len(p) - headerSize - 16*count
	if left < 0 {
		return fmt.Errorf("%w: %d elements in a page of %d bytes", ErrCorrupt, count, len(p))
	}
	for i := range count {
		at := headerSize + 16*i
		e := p[at:]
		switch {
		case flags&flagBranch != 0:
			if err := db.tree(order.Uint64(e[8:]), buckets, depth+1, visit); err != nil {
				return err
			}
		case flags&flagLeaf != 0:
			key, value, err := leaf(e)
			if err != nil {
				return err
			}
			if left -= len(key) + len(value); left < 0 {
				return fmt.Errorf("%w: elements that lie over one another", ErrCorrupt)
			}
			if order.Uint32(e)&flagBucket == 0 {
				err = visit(buckets, key, value)
			} else {
				err = db.bucket(append(buckets[:len(buckets):len(buckets)], key), value, visit)
			}
			if err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: a page of kind %#x in a tree", ErrCorrupt, flags)
		}
	}
	return nil
}

// leaf is the key and the value of an element; where they lie is counted from
// its beginning.
func leaf(e []byte) (key, value []byte, err error) {
	pos, ksize, vsize := uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])), uint64(order.Uint32(e[12:]))
	if end := pos + ksize + vsize; end > uint64(len(e)) {
		return nil, nil, fmt.Errorf("%w: an element ends %d bytes after its page", ErrCorrupt, end-uint64(len(e)))
	}
	return e[pos : pos+ksize], e[pos+ksize : pos+ksize+vsize], nil
}

// bucket goes through one that lies in another. A small one lies within the
// value that stands for it.
func (db *DB) bucket(names [][]byte, value []byte, visit func([][]byte, []byte, []byte) error) error {
	if len(names) > maxNesting || len(value) < bucketSize {
		return fmt.Errorf("%w: a bucket within %d others, of %d bytes", ErrCorrupt, len(names)-1, len(value))
	}
	if err := visit(names[:len(names)-1], names[len(names)-1], nil); err != nil {
		return err
	}
	if root := order.Uint64(value); root != 0 {
		return db.tree(root, names, 0, visit)
	}
	if len(value) < bucketSize+headerSize {
		return fmt.Errorf("%w: a bucket of %d bytes", ErrCorrupt, len(value))
	}
	return db.elements(value[bucketSize:], names, 0, visit)
}
