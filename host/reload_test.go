package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkhead/bulkhead/abi"
	"github.com/bulkhead/bulkhead/abi/guest"
	"github.com/bulkhead/bulkhead/drivers-wasm/vfs"
	"github.com/bulkhead/bulkhead/graphdriver"
	"github.com/bulkhead/bulkhead/graphdriver/graphtest"
	"github.com/bulkhead/bulkhead/host"
	"github.com/bulkhead/bulkhead/host/calls"
	"github.com/bulkhead/bulkhead/host/engine"
)

// watchedModules are those that a compile made: how many are open, and whether
// one was closed while it had calls.
type watchedModules struct {
	compile host.Compile
	open    atomic.Int64
	torn    atomic.Int64
	ran     atomic.Int64
}

func (w *watchedModules) make(ctx context.Context, configure host.Configure) (engine.Module, error) {
	m, err := w.compile(ctx, configure)
	if err != nil {
		return nil, err
	}
	w.open.Add(1)
	return &watchedModule{Module: m, all: w}, nil
}

type watchedModule struct {
	engine.Module
	all    *watchedModules
	calls  atomic.Int64
	closed atomic.Bool
}

func (m *watchedModule) Run(ctx context.Context, export string, s calls.Session) (int32, error) {
	m.calls.Add(1)
	defer m.calls.Add(-1)
	m.all.ran.Add(1)
	return m.Module.Run(ctx, export, s)
}

func (m *watchedModule) Close(ctx context.Context) error {
	if m.calls.Load() != 0 {
		m.all.torn.Add(1)
	}
	if m.closed.CompareAndSwap(false, true) {
		m.all.open.Add(-1)
	}
	return m.Module.Close(ctx)
}

func TestReloadLosesNoCall(t *testing.T) {
	for _, iso := range isolations() {
		t.Run(iso.name, func(t *testing.T) {
			reloads(t, &watchedModules{compile: iso.in(t).compile("vfs", embedded(t, "vfs"), engine.Limits{})})
		})
	}
}

func reloads(t *testing.T, w *watchedModules) {
	d, done := openAt(t, t.TempDir(), w.make)
	defer done()
	ctx := context.Background()
	layer := graphtest.Archive(t, graphtest.Dir("d"), graphtest.File("d/f", strings.Repeat("x", 4000)), graphtest.File("g", "g"))
	once := func(id string) ([]byte, error) {
		if err := d.Create(ctx, id, "", graphdriver.CreateOptions{}); err != nil {
			return nil, err
		}
		if _, err := d.ApplyDiff(ctx, id, "", bytes.NewReader(layer)); err != nil {
			return nil, err
		}
		r, err := d.Diff(ctx, id, "")
		if err != nil {
			return nil, err
		}
		got, err := io.ReadAll(r)
		return got, errors.Join(err, r.Close(), d.Remove(ctx, id))
	}
	want, err := once("first")
	if err != nil {
		t.Fatal(err)
	}
	calls, atATime, swaps := int64(1000), 32, 20
	if underRace {
		calls = 300
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atATime {
		wg.Go(func() {
			for n := next.Add(1); n <= calls/4; n = next.Add(1) { // of four calls each
				if got, err := once(fmt.Sprint("layer", n)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes of diff, want %d: %v", len(got), len(want), err)
				}
			}
		})
	}
	for range swaps {
		if err := d.Reload(ctx, w.make); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if n := w.open.Load(); n != 1 {
		t.Errorf("%d modules are open", n)
	}
	if n := w.torn.Load(); n != 0 {
		t.Errorf("%d modules were closed with calls under way", n)
	}
	if n := w.ran.Load(); n < calls {
		t.Errorf("%d calls were made, want %d at least", n, calls)
	}
}

// otherDriver is vfs that says something else of itself.
type otherDriver struct {
	vfs.Driver
	info func(*guest.Info)
}

func (d otherDriver) Info() guest.Info {
	info := d.Driver.Info()
	d.info(&info)
	return info
}

// failingDriver is vfs that does not work here.
type failingDriver struct{ vfs.Driver }

func (failingDriver) Status(c *guest.Call) ([]guest.Pair, error) {
	return nil, c.Fail(abi.Prerequisites, "", "no moon tonight")
}

// protoDriver has ProtoDriver's methods only.
type protoDriver struct{ guest.Driver }

func TestABadModuleReplacesNothing(t *testing.T) {
	good := &watchedModules{compile: host.Native(vfs.Driver{})}
	d, done := openAt(t, t.TempDir(), good.make)
	defer done()
	ctx := context.Background()
	if err := d.Create(ctx, "a", "", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	saying := func(change func(*guest.Info)) host.Compile { return host.Native(otherDriver{info: change}) }
	for name, test := range map[string]struct {
		compile host.Compile
		want    error
		says    string
	}{
		"another disk format": {saying(func(i *guest.Info) { i.DiskFormat = 2 }), graphdriver.ErrIncompatibleFS, "writes disk format 2, the home is in 1"},
		"other capabilities":  {saying(func(i *guest.Info) { i.Capabilities = abi.CapReproducesExactDiffs }), graphdriver.ErrIncompatibleFS, "claims other capabilities"},
		"fewer methods":       {host.Native(protoDriver{vfs.Driver{}}), graphdriver.ErrNotSupported, "lacks "},
		"does not work here":  {host.Native(failingDriver{}), graphdriver.ErrPrerequisites, "no moon tonight"},
		"is none":             {host.Wasm(runtime(t), "vfs", []byte("\x00asm\x01\x00\x00\x00"), engine.Limits{}), graphdriver.ErrInvalid, "lacks"},
		"cannot be had": {func(context.Context, host.Configure) (engine.Module, error) { return nil, io.ErrUnexpectedEOF },
			io.ErrUnexpectedEOF, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := &watchedModules{compile: test.compile}
			before := good.ran.Load()
			err := d.Reload(ctx, bad.make)
			if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.says) || !strings.HasPrefix(fmt.Sprint(err), "driver vfs: ") {
				t.Errorf("%v", err)
			}
			if ok, err := d.Exists(ctx, "a"); !ok || err != nil {
				t.Errorf("afterwards: %v %v", ok, err)
			}
			if good.ran.Load() == before || bad.open.Load() != 0 || good.open.Load() != 1 {
				t.Errorf("%d of the bad modules are open, %d of the good", bad.open.Load(), good.open.Load())
			}
		})
	}
}

func TestAReplacedModuleEndsAfterItsLastCall(t *testing.T) {
	w := &watchedModules{compile: host.Wasm(runtime(t), "vfs", embedded(t, "vfs"), engine.Limits{})}
	d, done := openAt(t, t.TempDir(), w.make)
	defer done()
	ctx := context.Background()
	if err := d.Create(ctx, "a", "", graphdriver.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	big := graphtest.Archive(t, graphtest.File("f", strings.Repeat("x", 8<<20)))
	if _, err := d.ApplyDiff(ctx, "a", "", bytes.NewReader(big)); err != nil {
		t.Fatal(err)
	}
	r, err := d.Diff(ctx, "a", "") // its reader has not come yet
	if err != nil {
		t.Fatal(err)
	}
	hurried, cancel := context.WithCancelCause(ctx)
	late, before := errors.New("no time"), d.Description()
	reloaded := make(chan error, 1)
	go func() { reloaded <- d.Reload(hurried, w.make) }()
	for d.Description() == before { // until the new one is there
		if ok, err := d.Exists(ctx, "a"); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	cancel(late)
	if err := <-reloaded; !errors.Is(err, late) {
		t.Errorf("reload: %v", err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || len(got) < 8<<20 {
		t.Errorf("the call under way: %d bytes, %v", len(got), err)
	}
	if n := w.open.Load(); n != 1 {
		t.Errorf("%d modules are open", n)
	}
	if ok, err := d.Exists(ctx, "a"); !ok || err != nil {
		t.Errorf("afterwards: %v %v", ok, err)
	}
}

func TestNothingIsReloadedIntoADriverThatIsClosed(t *testing.T) {
	w := &watchedModules{compile: host.Native(vfs.Driver{})}
	d, done := openAt(t, t.TempDir(), w.make)
	done()
	if err := d.Reload(context.Background(), w.make); err == nil {
		t.Error("a closed driver took a module")
	}
	if n := w.open.Load(); n != 0 {
		t.Errorf("%d modules are open", n)
	}
}
