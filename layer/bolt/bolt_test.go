package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/bulkhead/bulkhead/layer/bolt"
)

// written is the file of a database with some of everything, and its content as
// bbolt itself tells it.
func written(t testing.TB) (data []byte, want []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	update := func(do func(tx *bbolt.Tx) error) {
		t.Helper()
		if err := db.Update(do); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *bbolt.Tx) error {
		many, err := tx.CreateBucket([]byte("many"))
		if err != nil {
			return err
		}
		for i := range 3000 {
			if err := many.Put(fmt.Appendf(nil, "key %d", i), bytes.Repeat([]byte{byte(i)}, i%97)); err != nil {
				return err
			}
		}
		return many.Put([]byte("large"), bytes.Repeat([]byte("x"), 100_000))
	})
	update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("outer"))
		for i := range 5 {
			if err == nil {
				b, err = b.CreateBucket(fmt.Appendf(nil, "inner %d", i))
			}
			if err == nil {
				err = b.Put([]byte("k"), nil)
			}
		}
		return err
	})
	update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("many")).Delete([]byte("key 7")) })
	var walk func(path string, b *bbolt.Bucket) error
	walk = func(path string, b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if sub := b.Bucket(k); sub != nil {
				want = append(want, fmt.Sprintf("%s%s/", path, k))
				return walk(path+string(k)+"/", sub)
			}
			want = append(want, fmt.Sprintf("%s%s=%x", path, k, v))
			return nil
		})
	}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			want = append(want, string(name)+"/")
			return walk(string(name)+"/", b)
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, want
}

func list(data []byte) (got []string, err error) {
	db, err := bolt.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return got, db.Walk(func(buckets [][]byte, key, value []byte) error {
		path := ""
		for _, b := range buckets {
			path += string(b) + "/"
		}
		if value == nil {
			got = append(got, path+string(key)+"/")
		} else {
			got = append(got, fmt.Sprintf("%s%s=%x", path, key, value))
		}
		return nil
	})
}

func TestWhatBoltWroteIsReadAsBoltReadsIt(t *testing.T) {
	data, want := written(t)
	got, err := list(data)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 3000 || !slices.Equal(got, want) {
		t.Errorf("%d entries, %d wanted", len(got), len(want))
	}
}

func TestEitherMetaPageIsEnough(t *testing.T) {
	data, _ := written(t)
	page := os.Getpagesize()
	for at := range 2 {
		cut := slices.Clone(data)
		clear(cut[at*page : (at+1)*page])
		if _, err := list(cut); err != nil {
			t.Errorf("without meta %d: %v", at, err)
		}
	}
	clear(data[:2*page])
	if _, err := list(data); !errors.Is(err, bolt.ErrCorrupt) {
		t.Error(err)
	}
}

func TestDamagedDatabaseEndsInAnErrorOrInWhatIsLeft(t *testing.T) {
	data, want := written(t)
	random := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for range 300 {
		bad := slices.Clone(data)
		for range 1 + random.IntN(20) {
			bad[2*os.Getpagesize()+random.IntN(len(bad)-2*os.Getpagesize())] = byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			bad = bad[:random.IntN(len(bad))]
		}
		got, err := list(bad)
		if err != nil {
			failed++
			if !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrChanged) {
				t.Fatal(err)
			}
		}
		if len(got) > 2*len(want) {
			t.Fatalf("%d entries of %d", len(got), len(want))
		}
	}
	if failed < 50 {
		t.Errorf("%d of 300 were refused", failed)
	}
}

func TestATreeThatLeadsBackEnds(t *testing.T) {
	data, _ := written(t)
	page := os.Getpagesize()
	// Every branch page names itself as its first child.
	branches := 0
	for at := 2 * page; at+page <= len(data); at += page {
		if data[at+8] == 1 && data[at+9] == 0 && uint64(at/page) == uint64(data[at])|uint64(data[at+1])<<8 {
			copy(data[at+16+8:at+16+16], data[at:at+8])
			branches++
		}
	}
	if branches == 0 {
		t.Fatal("no branch page")
	}
	if _, err := list(data); !errors.Is(err, bolt.ErrCorrupt) || !strings.Contains(err.Error(), "cannot be where it is named") {
		t.Error(err)
	}
}

func FuzzWalk(f *testing.F) {
	data, _ := written(f)
	f.Add(data[:len(data)/4])
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := list(data); err != nil && !errors.Is(err, bolt.ErrCorrupt) && !errors.Is(err, bolt.ErrChanged) {
			t.Error(err)
		}
	})
}
