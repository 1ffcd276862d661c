package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/bulkhead/bulkhead/image/internal/durable"
	"github.com/bulkhead/bulkhead/layer"
)

// Examine looks for whatever is wrong with the images and their names, and
// tells report of each; report may end it with an error. It changes nothing,
// and reads no layer.
func (s *Store) Examine(ctx context.Context, report func(Fault) error) error {
	for _, look := range []func(context.Context, func(Fault) error) error{
		s.examineImages, s.examineNames, s.examineStrangers, s.examineNotes, s.examineModes,
	} {
		if err := look(ctx, report); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// Users says of each layer which images have it, damaged ones as far as their
// configuration tells.
func (s *Store) Users() map[layer.ChainID][]ID {
	users := map[layer.ChainID][]ID{}
	for _, id := range s.IDs() {
		raw, err := s.db.read(id)
		if err != nil {
			continue
		}
		config, err := ParseConfig(raw)
		if err != nil {
			continue
		}
		for _, chain := range config.Chain() {
			users[chain] = append(users[chain], id)
		}
	}
	return users
}

func (s *Store) relative(path string) string {
	if rel, err := filepath.Rel(s.opts.Root, path); err == nil {
		return rel
	}
	return path
}

func (s *Store) examineImages(_ context.Context, report func(Fault) error) error {
	broken := s.Broken()
	for _, id := range slices.Sorted(maps.Keys(broken)) {
		kind := FaultConfig
		if errors.Is(broken[id], layer.ErrNotFound) {
			kind = FaultLayers
		}
		what := broken[id]
		var corrupt *CorruptError
		if errors.As(what, &corrupt) {
			what = corrupt.Cause
		}
		if err := report(Fault{Kind: kind, Path: s.relative(s.db.content(id)), Image: id, What: what.Error()}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) examineNames(_ context.Context, report func(Fault) error) error {
	path := s.relative(s.refs.Path())
	if s.namesErr != nil {
		if err := report(Fault{Kind: FaultNames, Path: path, What: s.namesErr.Error()}); err != nil {
			return err
		}
	}
	for _, name := range s.refs.Strange() {
		if err := report(Fault{Kind: FaultName, Path: path, Name: name, What: fmt.Sprintf("%.200q is not a name of an image, or names none", name)}); err != nil {
			return err
		}
	}
	for _, a := range s.refs.All() {
		if _, err := s.Get(ID(a.ID)); errors.Is(err, ErrNotFound) || errors.Is(err, errNoConfig) {
			if err := report(Fault{Kind: FaultName, Path: path, Name: a.Ref.String(), What: fmt.Sprintf("%s names %s, which is not there", a.Ref, a.ID)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// examineStrangers looks at what else lies among the configurations.
func (s *Store) examineStrangers(_ context.Context, report func(Fault) error) error {
	entries, err := os.ReadDir(s.db.contentDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if digest.NewDigestFromEncoded(digest.SHA256, e.Name()).Validate() == nil {
			continue
		}
		found := Fault{Kind: FaultStranger, Path: s.relative(filepath.Join(s.db.contentDir(), e.Name())), What: "is not the name of a configuration"}
		if durable.Unfinished(e.Name()) {
			found.Kind, found.What = FaultUnfinished, "was being written, and never became a configuration"
		}
		if err := report(found); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) examineNotes(_ context.Context, report func(Fault) error) error {
	dir := filepath.Join(s.db.dir, "metadata", "sha256")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		id := ID(digest.NewDigestFromEncoded(digest.SHA256, e.Name()))
		path := filepath.Join(dir, e.Name())
		if _, err := s.Get(id); errors.Is(err, ErrNotFound) {
			if err := report(Fault{Kind: FaultNotes, Path: s.relative(path), What: "the image that it is about is not there"}); err != nil {
				return err
			}
			continue
		}
		data, err := readRegular(s.db.note(id, keyParent), maxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		parent := s.db.parent(id)
		what := ""
		switch {
		case err != nil:
			what = err.Error()
		case parent == "":
			what = fmt.Sprintf("%.100q is not an image ID", data)
		default:
			if _, err := s.Get(parent); errors.Is(err, ErrNotFound) {
				what = fmt.Sprintf("its parent %s is not there", parent)
			}
		}
		if what == "" {
			continue
		}
		if err := report(Fault{Kind: FaultParent, Path: s.relative(s.db.note(id, keyParent)), Image: id, What: what}); err != nil {
			return err
		}
	}
	return nil
}

// examineModes looks for what others could alter.
func (s *Store) examineModes(ctx context.Context, report func(Fault) error) error {
	for _, top := range []string{s.db.dir, s.refs.Path()} {
		err := layer.ExamineModes(ctx, top, func(p, what string) error {
			return report(Fault{Kind: FaultMode, Path: s.relative(p), What: what})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
