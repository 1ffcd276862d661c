package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
)

// The journal is a directory with one file for each layer that was begun and
// not committed, named by its cache ID. The name says all; the text is for
// people. An entry is durable before the driver hears of the id, so that
// whatever the driver holds without our having committed it is either in the
// journal or someone else's.

func (s *Store) intend(cacheID string) error {
	file := s.at.intent(cacheID)
	text := fmt.Sprintf("layer begun at %s by process %d\n", time.Now().UTC().Format(time.RFC3339), os.Getpid())
	err := s.disk.write(file, []byte(text), 0o600)
	if err == nil {
		err = s.disk.sync(file)
	}
	if err == nil {
		err = s.disk.sync(s.at.journal())
	}
	if err != nil {
		return oneLine(fmt.Errorf("journal: %w", err), s.forget(cacheID))
	}
	return nil
}

// forget removes the entry. That it may come back after a power loss is no
// harm: a committed layer's is passed over, and a removed one's id is not
// used again.
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
