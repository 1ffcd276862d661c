package layer

import (
	"context"
	"errors"
	"io"
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
//
// Every Layer that a session returns holds a reference, which is the
// caller's to release; that of a layer which never got committed is void
// after Close.
type Session struct{}

// NewSession begins a session. It has to be closed.
func (s *Store) NewSession(ctx context.Context) (*Session, error) { return nil, errors.ErrUnsupported }

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
	return nil, errors.ErrUnsupported
}

// Get returns a layer of this session or of the store, with a reference.
func (ses *Session) Get(id ChainID) (Layer, error) { return nil, errors.ErrUnsupported }

// Commit makes all layers of the session durable and then visible, parents
// before children. After a crash at any point a layer is there whole or not
// at all. When an error is returned the layers already committed stay, and
// Close removes the others. A second Commit does nothing.
func (ses *Session) Commit(ctx context.Context) error { return errors.ErrUnsupported }

// Close ends the session. What was not committed is removed, also when ctx
// is done. Closing twice is no error.
func (ses *Session) Close(ctx context.Context) error { return errors.ErrUnsupported }
