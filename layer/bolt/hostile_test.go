package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/bulkhead/bulkhead/layer/bolt"
)

var order = binary.NativeEndian

// leaves is a leaf page, without the number of it, of so many elements that all
// have the same key and the same value.
func leaves(count int, flags uint32, key, value []byte) []byte {
	b := order.AppendUint16(make([]byte, 8), 2)
	b = order.AppendUint16(b, uint16(count))
	b = order.AppendUint32(b, 0)
	for i := range count {
		b = order.AppendUint32(b, flags)
		b = order.AppendUint32(b, uint32(16*(count-i)))
		b = order.AppendUint32(b, uint32(len(key)))
		b = order.AppendUint32(b, uint32(len(value)))
	}
	return append(append(b, key...), value...)
}

// database is a file whose tree is one page.
func database(root []byte) []byte {
	const size = 4096
	pages := (len(root) + size - 1) / size
	b := make([]byte, size*(2+pages))
	order.PutUint16(b[8:], 4)
	m := b[16:]
	order.PutUint32(m, 0xed0cdaed)
	order.PutUint32(m[4:], 2)
	order.PutUint32(m[8:], size)
	order.PutUint64(m[16:], 2)
	order.PutUint64(m[40:], uint64(2+pages))
	sum := fnv.New64a()
	sum.Write(m[:56])
	order.PutUint64(m[56:], sum.Sum64())
	copy(b[2*size:], root)
	order.PutUint64(b[2*size:], 2)
	order.PutUint32(b[2*size+12:], uint32(pages-1))
	return b
}

// walked counts what is told of a database, and the bytes of it.
func walked(t *testing.T, data []byte) (entries, size int, err error) {
	t.Helper()
	db, err := bolt.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return entries, size, db.Walk(func(_ [][]byte, key, value []byte) error {
		entries, size = entries+1, size+len(key)+len(value)
		if size > 100*len(data) || entries > 1e6 {
			return errors.New("it goes on for ever")
		}
		return nil
	})
}

func TestElementsThatLieOverOneAnotherAreRefused(t *testing.T) {
	if n, _, err := walked(t, database(leaves(1, 0, []byte("key"), []byte("value")))); n != 1 || err != nil {
		t.Fatalf("one element: %d, %v", n, err)
	}
	long := bytes.Repeat([]byte("x"), 30_000)
	if _, size, err := walked(t, database(leaves(1000, 0, long, long))); !errors.Is(err, bolt.ErrCorrupt) || size > 100_000 {
		t.Errorf("%d bytes were told, %v", size, err)
	}
	// Buckets within buckets, each of them many times over.
	value := make([]byte, 16+16)
	order.PutUint16(value[16+8:], 2)
	for range 12 {
		value = append(make([]byte, 16), leaves(40, 1, []byte("k"), value)...)
	}
	if n, _, err := walked(t, database(value[16:])); !errors.Is(err, bolt.ErrCorrupt) || n > 100 {
		t.Errorf("%d were told, %v", n, err)
	}
}

func TestAFileThatIsTooLargeIsRefused(t *testing.T) {
	if _, err := bolt.Open(bytes.NewReader(database(leaves(0, 0, nil, nil))), math.MaxInt64); !errors.Is(err, bolt.ErrCorrupt) {
		t.Error(err)
	}
}

func TestAWalkThatIsCancelledEndsWhereNothingIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	visit := func([][]byte, []byte, []byte) error { return nil }
	if err := bolt.WalkFile(context.Background(), path, func() {}, visit); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := bolt.WalkFile(ctx, path, cancel, visit); !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
