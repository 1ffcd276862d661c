package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Session registers several layers and makes them durable together, with one
// sync of the driver's data. Layers of a session are seen by no one else
// until Commit. Methods may be called concurrently.
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

	life      sync.RWMutex // held to read while a layer is registered
	over      bool         // guarded by life; committed or closed
	unsettled []string     // guarded by life; cache IDs of what was committed

	writing sync.WaitGroup // WriteOut; begun with life held

	mu        sync.Mutex
	pending   []*record // parents before children
	unwritten error     // of WriteOut: a later sync would not tell of it again
	intents   []string  // cache IDs that Expect put into the journal, not used yet
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
	return &Session{s: s, home: home, db: db}, nil
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

// Expect says how many layers are about to be registered, so that the journal
// is made durable once for all of them. It may be wrong either way.
func (ses *Session) Expect(ctx context.Context, layers int) error {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return errSessionOver
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ids := make([]string, min(max(layers, 0), MaxDepth))
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
	return nil
}

// intended is a cache ID that is in the journal already, or "".
func (ses *Session) intended() (id string) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if n := len(ses.intents); n > 0 {
		id, ses.intents = ses.intents[n-1], ses.intents[:n-1]
	}
	return id
}

// Register stores the archive in r as a layer on top of parent: "", a layer
// of the store, or one registered earlier in this session. It returns the
// layer with a reference.
//
// A layer of that chain ID that exists already wins and is returned. If
// opts.Expected is given r is then not read at all; otherwise it is read to
// its end to learn its digest.
//
// Errors: ErrNotFound if parent does not exist, ErrMaxDepth,
// ErrDigestMismatch; one that wraps layertar.ErrRefused if the archive is at
// fault, and r's own error, wrapped, if reading it failed; else the driver's.
// After an error nothing of the layer stays. A Read of r that blocks is not
// interrupted by ctx unless r has SetReadDeadline.
func (ses *Session) Register(ctx context.Context, r io.Reader, parent ChainID, opts RegisterOptions) (Layer, error) {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return nil, errSessionOver
	}
	below, err := ses.retain(parent)
	if err != nil {
		return nil, fmt.Errorf("register a layer: parent: %w", err)
	}
	if below != nil {
		defer ses.s.let(ctx, below)
	}
	if below != nil && below.depth >= MaxDepth {
		return nil, fmt.Errorf("register a layer on %s, which has %d: %w", parent, below.depth, ErrMaxDepth)
	}
	if opts.Expected != "" {
		if !validSHA256(digest.Digest(opts.Expected)) {
			return nil, fmt.Errorf("register a layer: %q is not a SHA-256 digest: %w", opts.Expected, ErrDigestMismatch)
		}
		if l := ses.lookup(NextChainID(parent, opts.Expected)); l != nil {
			return l, nil
		}
	}
	rec, err := ses.s.build(ctx, r, ses.intended(), below, opts)
	if err != nil {
		return nil, fmt.Errorf("register a layer: %w", err)
	}
	l, existed := ses.add(rec)
	if !existed {
		return l, nil
	}
	if err := ses.s.drop(ctx, rec); err != nil {
		_, rerr := ses.s.Release(ctx, l)
		return nil, fmt.Errorf("register a layer that exists already: %w", oneLine(err, rerr))
	}
	return l, nil
}

// WriteOut writes to disk what has been registered so far, and is being
// registered, so that Commit has less to wait for. It may be called beside
// Register, and makes nothing visible. If it fails Commit fails too: the
// kernel tells of a lost write only once.
func (ses *Session) WriteOut(ctx context.Context) error {
	ids, err := ses.beginWriteOut()
	if err != nil {
		return err
	}
	defer ses.writing.Done()
	if _, err = ses.s.syncData(ctx, ses.home, ses.db, ids); err == nil {
		return nil
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	if ses.unwritten == nil {
		ses.unwritten = err
	}
	return fmt.Errorf("write layers out: %w", err)
}

// beginWriteOut makes whoever ends the session wait, when it comes to that:
// life is not held meanwhile, so that a commit can begin with what it does
// beside its own sync.
func (ses *Session) beginWriteOut() (ids []string, err error) {
	ses.life.RLock()
	defer ses.life.RUnlock()
	if ses.over {
		return nil, errSessionOver
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	for _, rec := range ses.pending {
		ids = append(ids, rec.cacheID)
	}
	ses.writing.Add(1)
	return ids, nil
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
		return ses.s.take(rec)
	}
	return nil
}

// locate finds a record. Both locks are held.
func (ses *Session) locate(id ChainID) *record {
	if rec := ses.s.layers[id]; rec != nil {
		return rec
	}
	for _, rec := range ses.pending {
		if rec.chain == id {
			return rec
		}
	}
	return nil
}

// retain finds a parent and keeps it from being removed until let.
func (ses *Session) retain(id ChainID) (*record, error) {
	if id == "" {
		return nil, nil
	}
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	rec := ses.locate(id)
	if rec == nil {
		return nil, fmt.Errorf("layer %s: %w", id, ErrNotFound)
	}
	ses.s.keep(rec)
	return rec, nil
}

// add makes rec the session's and takes a reference, unless a layer of that
// chain exists by now: then it takes one on that.
func (ses *Session) add(rec *record) (l Layer, existed bool) {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	ses.s.mu.Lock()
	defer ses.s.mu.Unlock()
	if other := ses.locate(rec.chain); other != nil {
		return ses.s.take(other), true
	}
	ses.pending = append(ses.pending, rec)
	return ses.s.take(rec), false
}

// Close ends the session. What was not committed is removed, also when ctx
// is done; what was is settled, so that whoever wants it gone if they fail
// releases it before. Closing twice is no error.
func (ses *Session) Close(ctx context.Context) error {
	ses.life.Lock()
	defer ses.life.Unlock()
	var errs []error
	if !ses.over {
		ses.over = true
		ses.writing.Wait()
		errs = append(errs, ses.home.Close(), ses.db.Close())
		for _, rec := range slices.Backward(ses.pending) {
			errs = append(errs, ses.s.drop(ctx, rec))
		}
		ses.pending = nil
	}
	errs = append(errs, ses.s.settled(append(ses.unsettled, ses.intents...)))
	ses.unsettled, ses.intents = nil, nil
	return oneLine(errs...)
}
