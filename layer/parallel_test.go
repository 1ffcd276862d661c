package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/layertar"
)

// apartDriver keeps of each layer what it adds, so that none needs another.
type apartDriver struct {
	entryDriver
	early func(id string, beneath func(context.Context) error) error // asked before an early application
}

func (d apartDriver) Create(ctx context.Context, id, _ string, o graphdriver.CreateOptions) error {
	return d.entryDriver.Create(ctx, id, "", o)
}

func (d apartDriver) Capabilities() graphdriver.Capabilities {
	return graphdriver.Capabilities{DiffIndependentOfParent: true, Deltas: true}
}

func (d apartDriver) ApplyEntriesEarly(ctx context.Context, id, parent string, src layertar.Source, beneath func(context.Context) error) (int64, error) {
	if d.early != nil {
		if err := d.early(id, beneath); err != nil {
			return 0, err
		}
	}
	n, err := d.ApplyEntries(ctx, id, parent, src)
	if err == nil {
		err = beneath(ctx)
	}
	return n, err
}

func openApart(t *testing.T, early func(string, func(context.Context) error) error) *bench {
	t.Helper()
	return open(t, t.TempDir(), func(o *Options) { o.Driver = apartDriver{o.Driver.(entryDriver), early} })
}

// awaiting is an archive whose reading begins when wait is closed, and which
// tells when it begins.
type awaiting struct {
	io.Reader
	wait  <-chan struct{}
	began chan<- struct{}
	once  sync.Once
}

func (a *awaiting) Read(p []byte) (int, error) {
	a.once.Do(func() {
		if a.began != nil {
			close(a.began)
		}
		if a.wait != nil {
			<-a.wait
		}
	})
	return a.Reader.Read(p)
}

func reopen(tarball []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(tarball)), nil }
}

func (b *bench) session() *Session {
	b.t.Helper()
	ses, err := b.NewSession(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return ses
}

func (b *bench) release(all ...Layer) {
	b.t.Helper()
	for _, l := range all {
		if _, err := b.Release(context.Background(), l); err != nil {
			b.t.Error(err)
		}
	}
}

// twice has two sessions register the same layer, the second while the first
// reads it.
func twice(t *testing.T, b *bench, first, second io.Reader, diff DiffID, then func(a *Session, la Layer, aerr error)) (*Session, Layer, error) {
	t.Helper()
	began, wait := make(chan struct{}), make(chan struct{})
	one, two := b.session(), b.session()
	var wg sync.WaitGroup
	wg.Go(func() {
		l, err := one.Register(context.Background(), &awaiting{Reader: first, wait: wait, began: began}, "", RegisterOptions{Expected: diff})
		then(one, l, err)
	})
	<-began
	var l Layer
	var err error
	asked := make(chan struct{})
	wg.Go(func() {
		close(asked)
		l, err = two.Register(context.Background(), second, "", RegisterOptions{Expected: diff})
	})
	<-asked
	close(wait)
	wg.Wait()
	return two, l, err
}

func TestALayerRegisteredTwiceAtOnceIsUnpackedOnce(t *testing.T) {
	tarball := archive(t, file{name: "a", content: "a"})
	never := errReader{errors.New("was read")}
	for name, then := range map[string]func(*bench, *Session, Layer) error{
		"the first commits": func(b *bench, ses *Session, l Layer) error {
			err := oneLine(ses.Commit(t.Context()), ses.Close(t.Context()))
			b.release(l)
			return err
		},
		"the first gives up": func(_ *bench, ses *Session, _ Layer) error { return ses.Close(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, t.TempDir(), nil)
			var created atomic.Int32
			b.driver.note = func(op, _ string) {
				if op == "create" {
					created.Add(1)
				}
			}
			var one *Session
			var held Layer
			ses, l, err := twice(t, b, bytes.NewReader(tarball), never, diffOf(tarball), func(a *Session, la Layer, aerr error) {
				if aerr != nil {
					t.Error(aerr)
				}
				one, held = a, la
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := then(b, one, held); err != nil {
				t.Fatal(err)
			}
			if err := ses.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if ids, err := b.intents(); err != nil || len(ids) != 1 {
				t.Errorf("the journal has %v, %v, and the layer may be nobody's yet", ids, err)
			}
			if err := ses.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := created.Load(); n != 1 {
				t.Errorf("the driver made %d layers", n)
			}
			if got := b.read(l); !bytes.Equal(got, tarball) {
				t.Error("other bytes came out")
			}
			b.nothingOrphaned()
			if _, err := b.Release(t.Context(), held); !errors.Is(err, ErrNotRetained) {
				t.Errorf("the first's reference: %v", err)
			}
			b.release(l)
			if len(b.Map()) != 0 {
				t.Error("a layer stays that nobody wants")
			}
			b.nothingOrphaned()
		})
	}
}

func TestWhoeverWaitedForALayerThatFailedUnpacksItItself(t *testing.T) {
	tarball := archive(t, file{name: "a", content: "a"})
	b := open(t, t.TempDir(), nil)
	broken := io.MultiReader(bytes.NewReader(tarball[:700]), errReader{errors.New("line cut")})
	ses, l, err := twice(t, b, broken, bytes.NewReader(tarball), diffOf(tarball), func(a *Session, _ Layer, aerr error) {
		if aerr == nil || !strings.Contains(aerr.Error(), "line cut") {
			t.Errorf("got %v", aerr)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := oneLine(ses.Commit(t.Context()), ses.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := b.read(l); !bytes.Equal(got, tarball) {
		t.Error("other bytes came out")
	}
	b.nothingOrphaned()
}

// registerAtOnce registers a chain of layers in goroutines of their own.
func registerAtOnce(ctx context.Context, ses *Session, readers []io.Reader, opts []RegisterOptions) ([]Layer, []error) {
	diffs := make([]DiffID, len(opts))
	chains := make([]ChainID, len(opts)+1)
	for i, o := range opts {
		diffs[i] = o.Expected
		chains[i+1] = ChainOf(diffs[:i+1])
	}
	layers, errs := make([]Layer, len(opts)), make([]error, len(opts))
	if err := ses.Expect(ctx, chains[1:]); err != nil {
		return layers, []error{err}
	}
	var wg sync.WaitGroup
	for i := range opts {
		wg.Go(func() { layers[i], errs[i] = ses.Register(ctx, readers[i], chains[i], opts[i]) })
	}
	wg.Wait()
	return layers, errs
}

func threeLayers(t *testing.T) (tarballs [][]byte, opts []RegisterOptions) {
	for i := range 3 {
		tarball := archive(t, file{name: fmt.Sprint("f", i), content: strings.Repeat("x", 1000)})
		tarballs = append(tarballs, tarball)
		opts = append(opts, RegisterOptions{Expected: diffOf(tarball), Reopen: reopen(tarball)})
	}
	return tarballs, opts
}

func TestLayersApplyAtOnceWhereTheDriverSaysTheyCan(t *testing.T) {
	b := openApart(t, nil)
	tarballs, opts := threeLayers(t)
	// Each waits, within its archive, until the one above it has begun.
	readers := make([]io.Reader, 3)
	var above chan struct{}
	for i := 2; i >= 0; i-- {
		began := make(chan struct{})
		head := &awaiting{Reader: bytes.NewReader(tarballs[i][:512]), began: began}
		readers[i] = io.MultiReader(head, &awaiting{Reader: bytes.NewReader(tarballs[i][512:]), wait: above})
		above = began
	}
	ses := b.session()
	layers, errs := registerAtOnce(t.Context(), ses, readers, opts)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := oneLine(ses.Commit(t.Context()), ses.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		if got := b.read(l); !bytes.Equal(got, tarballs[i]) || l.Depth() != i+1 || i > 0 && l.Parent().CacheID() != layers[i-1].CacheID() {
			t.Errorf("layer %d is not as it should be", i)
		}
	}
	b.nothingOrphaned()
}

func TestLayersApplyInOrderWhereTheDriverSaysNothing(t *testing.T) {
	b := open(t, t.TempDir(), nil)
	tarballs, opts := threeLayers(t)
	var mu sync.Mutex
	var order []string
	b.driver.note = func(op, id string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, op)
	}
	readers := make([]io.Reader, 3)
	for i := range readers {
		readers[i] = bytes.NewReader(tarballs[i])
	}
	ses := b.session()
	layers, errs := registerAtOnce(t.Context(), ses, readers, opts)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, " "); got != "create apply create apply create apply" {
		t.Errorf("got %s", got)
	}
	if err := oneLine(ses.Commit(t.Context()), ses.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.driver.tree(layers[2].CacheID()) + "/f0"); err != nil {
		t.Error(err)
	}
	b.nothingOrphaned()
}

func TestALayerThatCannotBeAppliedEarlyIsAppliedAgainAfterItsParent(t *testing.T) {
	once := make(chan struct{})
	refused := sync.OnceFunc(func() { close(once) })
	b := openApart(t, func(id string, _ func(context.Context) error) error {
		refused()
		return fmt.Errorf("link to what is beneath: %w", graphdriver.ErrBusy)
	})
	tarballs, opts := threeLayers(t)
	wait, began := make(chan struct{}), make(chan struct{})
	readers := []io.Reader{
		io.MultiReader(&awaiting{Reader: bytes.NewReader(tarballs[0][:512]), began: began}, &awaiting{Reader: bytes.NewReader(tarballs[0][512:]), wait: wait}),
		bytes.NewReader(tarballs[1]), bytes.NewReader(tarballs[2]),
	}
	go func() {
		<-began
		<-once
		close(wait)
	}()
	ses := b.session()
	layers, errs := registerAtOnce(t.Context(), ses, readers, opts)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if err := oneLine(ses.Commit(t.Context()), ses.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		if got := b.read(l); !bytes.Equal(got, tarballs[i]) {
			t.Errorf("layer %d is not as it should be", i)
		}
	}
	b.nothingOrphaned()
}

func TestAParentThatFailsTakesWhatWasBegunOnItAlong(t *testing.T) {
	above := make(chan struct{})
	begun := sync.OnceFunc(func() { close(above) })
	b := openApart(t, func(_ string, beneath func(context.Context) error) error {
		begun()
		return beneath(context.Background())
	})
	tarballs, opts := threeLayers(t)
	readers := []io.Reader{
		io.MultiReader(bytes.NewReader(tarballs[0][:700]), &awaiting{Reader: errReader{errors.New("line cut")}, wait: above}),
		bytes.NewReader(tarballs[1]), bytes.NewReader(tarballs[2]),
	}
	ses := b.session()
	layers, errs := registerAtOnce(t.Context(), ses, readers, opts)
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "line cut") {
		t.Errorf("got %v", errs[0])
	}
	for i := range 2 {
		if errs[i+1] == nil || layers[i+1] != nil {
			t.Errorf("layer %d was stored on nothing", i+1)
		}
	}
	if err := ses.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(b.driver.ids()) != 0 {
		t.Errorf("the driver keeps %v", b.driver.ids())
	}
	b.nothingOrphaned()
}

func TestSessionsWithTheSameImagesInAnyOrderEndWithOneLayerEach(t *testing.T) {
	for name, b := range map[string]*bench{"in order": open(t, t.TempDir(), nil), "at once": openApart(t, nil)} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			base := archive(t, file{name: "base", content: "b"})
			var images [][][]byte
			for i := range 4 {
				images = append(images, [][]byte{base, archive(t, file{name: fmt.Sprint("mid", i/2)}), archive(t, file{name: fmt.Sprint("top", i)})})
			}
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(uint64(i), 1))
					for range 4 {
						if err := storeImages(t.Context(), b, images, r); err != nil {
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
		})
	}
}

// storeImages stores images in some order in one session, which may give up
// before or after its commit.
func storeImages(ctx context.Context, b *bench, images [][][]byte, r *rand.Rand) (err error) {
	ses, err := b.NewSession(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ses.Close(ctx)) }()
	var held []Layer
	var want [][]byte
	for _, at := range r.Perm(len(images)) {
		var readers []io.Reader
		var opts []RegisterOptions
		for _, tarball := range images[at] {
			readers = append(readers, bytes.NewReader(tarball))
			opts = append(opts, RegisterOptions{Expected: diffOf(tarball), Reopen: reopen(tarball)})
		}
		layers, errs := registerAtOnce(ctx, ses, readers, opts)
		if err := errors.Join(errs...); err != nil {
			return err
		}
		held, want = append(held, layers...), append(want, images[at]...)
	}
	if r.IntN(3) == 0 {
		err := ses.Close(ctx)
		for _, l := range held { // what was committed when it was asked for is held still
			if _, rerr := b.Release(ctx, l); !errors.Is(rerr, ErrNotRetained) {
				err = errors.Join(err, rerr)
			}
		}
		return err
	}
	if err := ses.Commit(ctx); err != nil {
		return err
	}
	for i, l := range held {
		got, err := readLayer(ctx, l)
		if err != nil || !bytes.Equal(got, want[i]) {
			return fmt.Errorf("other bytes came out: %w", err)
		}
	}
	for _, l := range held {
		if _, err := b.Release(ctx, l); err != nil {
			return err
		}
	}
	return nil
}
