package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

func TestSixteenGoroutinesEndWithOneLayerEach(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	lower := archive(t, file{name: "a", content: "a"})
	upper := archive(t, file{name: "b", content: "b"})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			ctx := t.Context()
			own := archive(t, file{name: fmt.Sprint(i % 4), content: "c"})
			for range 3 {
				err := func() error {
					ses, err := b.NewSession(ctx)
					if err != nil {
						return err
					}
					defer ses.Close(ctx)
					l1, err := ses.Register(ctx, bytes.NewReader(lower), "", RegisterOptions{})
					if err != nil {
						return err
					}
					l2, err := ses.Register(ctx, bytes.NewReader(upper), l1.ChainID(), RegisterOptions{})
					if err != nil {
						return err
					}
					l3, err := ses.Register(ctx, bytes.NewReader(own), l2.ChainID(), RegisterOptions{})
					if err != nil {
						return err
					}
					if err := ses.Commit(ctx); err != nil {
						return err
					}
					for l, want := range map[Layer][]byte{l1: lower, l2: upper, l3: own} {
						got, err := readLayer(ctx, l)
						if err != nil || !bytes.Equal(got, want) {
							return fmt.Errorf("other bytes came out: %w", err)
						}
					}
					if err := b.Verify(ctx, l3.ChainID()); err != nil {
						return err
					}
					for _, l := range []Layer{l1, l2, l3} {
						if _, err := b.Release(ctx, l); err != nil {
							return err
						}
					}
					return nil
				}()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(b.Map()); n != 0 {
		t.Errorf("%d layers without a reference stay", n)
	}
	b.nothingOrphaned()
}

func TestLayersOfALosingSessionMoveToTheWinnersParent(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	ctx := t.Context()
	lower, mid, top := archive(t, file{name: "a", content: "a"}), archive(t, file{name: "b", content: "b"}), archive(t, file{name: "c", content: "c"})
	ses, err := b.NewSession(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []Layer
	var parent ChainID
	for _, tarball := range [][]byte{lower, mid, top} {
		l, err := ses.Register(ctx, bytes.NewReader(tarball), parent, RegisterOptions{Descriptor: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		got, parent = append(got, l), l.ChainID()
	}
	winner := b.add(lower, "")
	if err := oneLine(ses.Commit(ctx), ses.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	if got[0].CacheID() != winner.CacheID() {
		t.Error("two layers of one chain ID")
	}
	if !bytes.Equal(b.read(got[2]), top) || got[2].Parent().Parent().CacheID() != winner.CacheID() {
		t.Error("the top layer was not moved")
	}
	if _, err := os.Stat(b.driver.tree(got[2].CacheID()) + "/a"); err != nil {
		t.Error(err)
	}
	b.nothingOrphaned()
	if _, err := b.Release(ctx, winner); err != nil {
		t.Fatal(err)
	}
	for _, l := range got {
		if _, err := b.Release(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Map()) != 0 {
		t.Error("references were lost or made")
	}
	b.nothingOrphaned()
}

func TestExistingLayerWinsWithoutReadingTheArchive(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	tarball := archive(t, file{name: "a"})
	l := b.add(tarball, "")
	again, err := b.Register(t.Context(), errReader{errors.New("was read")}, "", RegisterOptions{Expected: l.DiffID()})
	if err != nil || again.CacheID() != l.CacheID() {
		t.Fatal(err)
	}
	if third := b.add(tarball, ""); third.CacheID() != l.CacheID() {
		t.Error("another layer of the same chain ID")
	}
	b.nothingOrphaned()
}

func TestUncommittedLayersAreGoneAfterClose(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	ses, err := b.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tarball := archive(t, file{name: "a", content: "a"})
	l, err := ses.Register(t.Context(), bytes.NewReader(tarball), "", RegisterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.read(l), tarball) {
		t.Error("not readable before the commit")
	}
	if _, err := b.Get(l.ChainID()); !errors.Is(err, ErrNotFound) {
		t.Error("seen before the commit")
	}
	again, err := ses.Get(l.ChainID())
	if err != nil || again.CacheID() != l.CacheID() {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ses.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := errors.Join(ses.Close(ctx), ses.Close(ctx)); err != nil {
		t.Error(err)
	}
	if _, err := l.TarStream(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := b.Release(t.Context(), l); !errors.Is(err, ErrNotRetained) {
		t.Error(err)
	}
	if _, err := ses.Register(t.Context(), bytes.NewReader(tarball), "", RegisterOptions{}); err == nil {
		t.Error("a closed session took a layer")
	}
	b.nothingOrphaned()
}

// endless yields an archive's beginning and then bytes without end.
type endless struct {
	head *bytes.Reader
	n    int64
	at   int64
	do   func()
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n += int64(len(p)); e.n > e.at {
		e.do()
	}
	if n, err := e.head.Read(p); err == nil {
		return n, nil
	}
	return len(p), nil
}

func TestCancelledRegisterLeavesNothingAndNoGoroutine(t *testing.T) {
	tarball := archive(t, file{name: "big", content: string(make([]byte, 64<<20))})
	for name, how := range drivers {
		b := open(t, t.TempDir(), through(how))
		before := runtime.NumGoroutine()
		for _, at := range []int64{-1, 100, 1 << 20, 20 << 20} {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := b.Register(ctx, &endless{head: bytes.NewReader(tarball), at: at, do: cancel}, "", RegisterOptions{})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s at %d: %v", name, at, err)
			}
			cancel()
		}
		r, w, err := os.Pipe() // nobody writes
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := b.Register(ctx, r, "", RegisterOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: blocked: %v", name, err)
		}
		cancel()
		r.Close()
		w.Close()
		b.nothingOrphaned()
		noGoroutine(t, before)
	}
}

func TestClosedOrCancelledStreamEndsItsGoroutine(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	l := b.add(archive(t, file{name: "big", content: string(make([]byte, 4<<20))}), "")
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	var streams []io.ReadCloser
	for range 3 {
		rc, err := l.TarStream(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, rc, 1<<20); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, rc)
	}
	if err := errors.Join(streams[0].Close(), streams[0].Close()); err != nil {
		t.Error(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, streams[1]); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, s := range streams {
		s.Close()
	}
	noGoroutine(t, before)
}

func noGoroutine(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, before %d", runtime.NumGoroutine(), before)
}

// shortDriver stops before the archive's end and says that all is well.
type shortDriver struct{ entryDriver }

func (d shortDriver) ApplyEntries(_ context.Context, _, _ string, src layertar.Source) (int64, error) {
	_, err := src.Next()
	return 0, err
}

// negativeDriver cannot count.
type negativeDriver struct{ entryDriver }

func (d negativeDriver) ApplyEntries(ctx context.Context, id, parent string, src layertar.Source) (int64, error) {
	_, err := d.entryDriver.ApplyEntries(ctx, id, parent, src)
	return -1, err
}

func TestDriverThatLosesEntriesOrCannotCountIsFound(t *testing.T) {
	for _, how := range []func(*copyDriver) graphdriver.Driver{
		func(d *copyDriver) graphdriver.Driver { return shortDriver{entryDriver{d}} },
		func(d *copyDriver) graphdriver.Driver { return negativeDriver{entryDriver{d}} },
	} {
		b := open(t, t.TempDir(), through(how))
		_, err := b.Register(t.Context(), bytes.NewReader(archive(t, file{name: "a"}, file{name: "b"})), "", RegisterOptions{})
		if !errors.Is(err, graphdriver.ErrInvalid) {
			t.Error(err)
		}
		b.nothingOrphaned()
	}
}
