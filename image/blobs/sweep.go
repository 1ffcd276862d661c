package blobs

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/image/internal/durable"
)

// Sweep removes what nothing needs any more: records of images that are gone,
// blobs that are kept and in no record, and downloads that nobody has gone on
// with for that long. It tells how many bytes of blobs that was; with dry it
// only tells.
func (s *Store) Sweep(exists func(image digest.Digest) bool, age time.Duration, dry bool) (freed int64, err error) {
	named, err := s.sweepRecords(exists, dry)
	if err == nil {
		err = s.sweepHalves(age, dry)
	}
	if err != nil {
		return 0, err
	}
	keep, err := s.sweep(kept, func(d digest.Digest, path string) (bool, error) {
		if named[d] || dry {
			return !named[d], nil
		}
		return true, gone(os.Remove(path))
	})
	if err != nil {
		return keep, err
	}
	old, err := s.sweep(partial, func(_ digest.Digest, path string) (bool, error) { return abandoned(path, age, dry) })
	return keep + old, err
}

// sweepRecords returns the blobs that the records that stay name.
func (s *Store) sweepRecords(exists func(image digest.Digest) bool, dry bool) (map[digest.Digest]bool, error) {
	ids, err := s.Recorded()
	if err != nil {
		return nil, err
	}
	named := map[digest.Digest]bool{}
	for _, id := range ids {
		if !exists(id) {
			path, err := s.record(id)
			if err == nil && !dry {
				err = gone(os.Remove(path))
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		r, err := s.Record(id)
		if err != nil {
			continue // it names nothing
		}
		var m struct {
			Layers []struct {
				Digest digest.Digest `json:"digest"`
			} `json:"layers"`
		}
		if json.Unmarshal([]byte(r.Manifest), &m) == nil {
			for _, l := range m.Layers {
				named[l.Digest] = true
			}
		}
	}
	return named, nil
}

// sweepHalves removes records that somebody stopped writing that long ago.
func (s *Store) sweepHalves(age time.Duration, dry bool) error {
	entries, err := os.ReadDir(filepath.Join(s.dir, manifests))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if dry || e.IsDir() || !durable.Unfinished(e.Name()) {
			continue
		}
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) < age {
			continue
		}
		if err := gone(os.Remove(filepath.Join(s.dir, manifests, e.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// sweep has the blobs of a kind removed that are not needed, and counts those.
func (s *Store) sweep(kind string, remove func(d digest.Digest, path string) (unneeded bool, err error)) (freed int64, err error) {
	dirs, err := os.ReadDir(filepath.Join(s.dir, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.dir, kind, dir.Name()))
		if err != nil {
			return freed, err
		}
		for _, f := range files {
			d := digest.NewDigestFromEncoded(digest.Algorithm(dir.Name()), f.Name())
			path := filepath.Join(s.dir, kind, dir.Name(), f.Name())
			if d.Validate() != nil {
				continue // not ours
			}
			fi, ierr := f.Info() // while it is there
			unneeded, err := remove(d, path)
			if err != nil {
				return freed, err
			}
			if unneeded && ierr == nil {
				freed += fi.Size()
			}
		}
	}
	return freed, nil
}

// abandoned tells whether a download is that old, and nobody's, and removes it
// then: while it is locked, lest somebody go on with a file that is gone.
func abandoned(path string, age time.Duration, dry bool) (bool, error) {
	f, err := openRegular(path, os.O_RDWR)
	if err != nil {
		return false, gone(err)
	}
	defer f.Close()
	p := &Partial{path: path, f: f}
	free, err := p.lock(unix.LOCK_EX)
	if err != nil || !free {
		return false, err
	}
	fi, err := f.Stat()
	if err != nil || time.Since(fi.ModTime()) < age {
		return false, err
	}
	current, err := p.lies(path)
	if err != nil || !current || dry {
		return current, err
	}
	return true, gone(os.Remove(path))
}
