package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// The journal is a directory with one file for each layer that may be
// nobody's if the process ends now, named by its cache ID: it was begun and
// is not committed, or it is committed and not yet used, or its last user is
// about to go. The name says all; a file without content can be made on a full
// file system too. An entry is durable before the driver hears of the id, so
// that whatever the driver holds without our having committed it is either in
// the journal or someone else's.

func (s *Store) intend(cacheID string) error {
	err := s.disk.write(s.at.intent(cacheID), nil, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("journal: %w", err) // the entry is not ours to take back
	}
	if err == nil {
		err = s.disk.sync(s.at.journal())
	}
	if err != nil {
		return oneLine(fmt.Errorf("journal: %w", err), s.forget(cacheID))
	}
	return nil
}

// intendMany is intend for several, with one sync.
func (s *Store) intendMany(ids []string) (err error) {
	made := 0
	for _, id := range ids {
		if err = s.disk.write(s.at.intent(id), nil, 0o600); err != nil {
			break
		}
		made++
	}
	if err == nil {
		err = s.disk.sync(s.at.journal())
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("journal: %w", err)
	for _, id := range ids[:made] {
		err = oneLine(err, s.forget(id))
	}
	return err
}

// forget removes the entry. That of a removed layer may come back after a
// power loss without harm, since its id is not used again.
func (s *Store) forget(cacheID string) error {
	err := s.disk.remove(s.at.intent(cacheID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// intents lists the journal.
func (s *Store) intents() ([]string, error) {
	entries, err := os.ReadDir(s.at.journal())
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.Type().IsRegular() && graphdriver.ValidateID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
