package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Session registers several layers and makes them durable together, with one
// sync of the driver's data. Layers of a session are seen by no one else
// until Commit, but for other sessions that register the same: a layer is
// unpacked once, and is there for all that did as soon as one of them commits.
// Methods may be called concurrently.
//
//	ses, err := store.NewSession(ctx)
//	defer ses.Close(ctx)
//	base, err := ses.Register(ctx, r1, "", RegisterOptions{})
//	top, err := ses.Register(ctx, r2, base.ChainID(), RegisterOptions{})
//	err = ses.Commit(ctx)
//	… // make use of them, such as in an image
//
// Every Layer that a session returns holds a reference, which is the
// caller's to release; that of a layer which never got committed is void
// after Close.
type Session struct {
	s        *Store
	home, db *os.File // for syncs; opened before anything is written

	life sync.RWMutex // held to read while a layer is registered
	over bool         // guarded by life; committed or closed

	writing sync.WaitGroup // WriteOut; begun with life held

	mu      sync.Mutex
	owned   []*record // what it registered, parents before children
	pending []*record // those of it that are not committed
	// byChain finds what is pending.
	byChain map[ChainID]*record
	// given are references on what was not committed when they were given.
	given map[*record][]*ref
	// unwritten is why WriteOut failed: a later sync would not tell of it again.
	unwritten error
	intents   []string // cache IDs that Expect put into the journal, not used yet
	promised  map[ChainID]bool
	changed   chan struct{} // closed and replaced when a promised layer begins or ends
}

var errSessionOver = errors.New("layer session is over")

// NewSession begins a session. It has to be closed.
func (s *Store) NewSession(ctx context.Context) (*Session, error) {
	if s.opts.ReadOnly {
		return nil, fmt.Errorf("register layers in %s: %w", s.opts.Root, ErrReadOnly)
	}
	if _, err := s.driver(); err != nil {
		return nil, err
	}
	home, db, err := s.openForSync()
	if err != nil {
		return nil, err
	}
	return &Session{s: s, home: home, db: db, byChain: map[ChainID]*record{}, given: map[*record][]*ref{},
		promised: map[ChainID]bool{}, changed: make(chan struct{})}, nil
}

// openForSync opens what a commit syncs: the driver's home and the layerdb.
func (s *Store) openForSync() (home, db *os.File, err error) {
	home, err = openDir(s.opts.DriverHome)
	if err != nil {
		return nil, nil, fmt.Errorf("open the home of driver %s: %w", s.opts.DriverName, err)
	}
	db, err = os.Open(s.at.db)
	if err != nil {
		return nil, nil, oneLine(fmt.Errorf("open the layer store: %w", err), home.Close())
	}
	return home, db, nil
}

// Expect says which layers are about to be registered. The journal is then made
// durable once for all of them, and one may be registered before those beneath
// it are: Register waits for them as far as it has to. Layers that exist already
// need not be among them; one that is never registered keeps what is above it
// waiting until its context ends.
func (ses *Session) Expect(ctx context.Context, layers []ChainID) error {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return errSessionOver
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ids := make([]string, min(len(layers), maxIntents))
	for i := range ids {
		ids[i] = randomID()
	}
	if len(ids) == 0 {
		return nil
	}
	if err := ses.s.intendMany(ids); err != nil {
		return err
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.intents = append(ses.intents, ids...)
	for _, id := range layers {
		ses.promised[id] = true
	}
	return nil
}

// maxIntents bounds what Expect writes at once.
const maxIntents = 4 * MaxDepth

// intended is a cache ID that is in the journal already, or "".
func (ses *Session) intended() (id string) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if n := len(ses.intents); n > 0 {
		id, ses.intents = ses.intents[n-1], ses.intents[:n-1]
	}
	return id
}

// WriteOut writes to disk what has been registered so far, and is being
// registered, so that Commit has less to wait for. It may be called beside
// Register, and makes nothing visible. If it fails Commit fails too: the
// kernel tells of a lost write only once.
func (ses *Session) WriteOut(ctx context.Context) error {
	recs, err := ses.beginWriteOut()
	if err != nil {
		return err
	}
	defer ses.writing.Done()
	if _, err = ses.s.syncData(ctx, ses.home, ses.db, cacheIDs(recs)); err == nil {
		return nil
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	for _, rec := range ses.pending {
		rec.unwritten = err
	}
	ses.unwritten = err // of what is being registered, too
	return fmt.Errorf("write layers out: %w", err)
}

func cacheIDs(recs []*record) []string {
	ids := make([]string, len(recs))
	for i, rec := range recs {
		ids[i] = rec.cacheID
	}
	return ids
}

// beginWriteOut makes whoever ends the session wait, when it comes to that:
// life is not held meanwhile, so that a commit can begin with what it does
// beside its own sync.
func (ses *Session) beginWriteOut() ([]*record, error) {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return nil, errSessionOver
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.writing.Add(1)
	return slices.Clone(ses.pending), nil
}

// Get returns a layer of this session or of the store, with a reference.
func (ses *Session) Get(id ChainID) (Layer, error) {
	if l := ses.lookup(id); l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("layer %s: %w", id, ErrNotFound)
}

// lookup finds a layer and takes a reference; nil if there is none.
func (ses *Session) lookup(id ChainID) Layer {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	if rec := ses.locate(id); rec != nil {
		return ses.take(rec)
	}
	return nil
}

// take gives out a reference, which is void if this session never commits what
// is not committed now. Both locks are held.
func (ses *Session) take(rec *record) *ref {
	r := ses.s.take(rec)
	if rec.pending {
		ses.given[rec] = append(ses.given[rec], r)
	}
	return r
}

// locate finds a record. Both locks are held.
func (ses *Session) locate(id ChainID) *record {
	if rec := ses.s.layers[id]; rec != nil {
		return rec
	}
	if rec := ses.byChain[id]; rec != nil && rec.pending && !rec.gone {
		return rec
	}
	return nil
}

// have makes a layer the session's. ses.mu is held.
func (ses *Session) have(rec *record) {
	ses.owned, ses.pending = append(ses.owned, rec), append(ses.pending, rec)
	if ses.byChain[rec.chain] == nil {
		ses.byChain[rec.chain] = rec
	}
}

// Close ends the session. What was not committed is removed, also when ctx
// is done, unless another session has it too; what was is settled, so that
// whoever wants it gone if they fail releases it before. Closing twice is no
// error.
func (ses *Session) Close(ctx context.Context) error {
	ses.life.Lock()
	defer ses.life.Unlock()
	var errs []error
	if !ses.over {
		ses.over = true
		ses.writing.Wait()
		errs = append(errs, ses.home.Close(), ses.db.Close())
	}
	for _, refs := range ses.given {
		for _, r := range refs {
			_, err := ses.s.Release(context.WithoutCancel(ctx), r)
			if !errors.Is(err, ErrNotRetained) {
				errs = append(errs, err)
			}
		}
	}
	var settled []string
	for _, rec := range slices.Backward(ses.owned) {
		committed, err := ses.s.disown(ctx, rec)
		if committed {
			settled = append(settled, rec.cacheID)
		}
		errs = append(errs, err)
	}
	slices.Reverse(settled)
	errs = append(errs, ses.s.settled(append(settled, ses.intents...)))
	ses.owned, ses.pending, ses.intents = nil, nil, nil
	clear(ses.byChain)
	clear(ses.given)
	return oneLine(errs...)
}

// disown ends a session's part in a layer. With the last one a layer that is
// not committed is removed; committed says that it is, and was the last.
func (s *Store) disown(ctx context.Context, rec *record) (committed bool, err error) {
	s.mu.Lock()
	rec.owners--
	last, pending := rec.owners == 0, rec.pending
	if last && pending && s.pending[rec.chain] == rec {
		delete(s.pending, rec.chain)
	}
	s.mu.Unlock()
	if last && pending {
		return false, s.drop(ctx, rec)
	}
	return last, nil
}
